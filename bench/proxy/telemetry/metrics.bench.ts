/** What counting a request costs, and what a page of many series costs when somebody scrapes. */
import { declareFamilies } from '../../../proxy/telemetry/families.ts'
import { Registry } from '../../../proxy/telemetry/registry.ts'
import { RequestMetrics } from '../../../proxy/telemetry/request-metrics.ts'
import { PolicyRouteMetrics } from '../../../proxy/telemetry/route-metrics.ts'
import { measure } from '../wire/measure.ts'

const registry = new Registry({ nowMs: () => performance.now(), retainIdleMs: 600_000 })
const families = declareFamilies(registry)
const endpoint = new RequestMetrics(families.http, 'direction="outbound",target_addr="10.0.0.1:80"')
const parent = { group: 'core', kind: 'Service', namespace: 'shop', name: 'web', section: '', port: 80 }
const route = new PolicyRouteMetrics(families, false, parent, { ...parent, group: '', kind: 'default', name: 'http' })

measure('a request and its response of an endpoint', (round) => {
  endpoint.onRequest()
  endpoint.onResponse(round % 10 === 0 ? 404 : 200, 'success', -1, '', (round % 32) * 0.7)
})
measure('the same of gRPC', (round) => {
  endpoint.onRequest()
  endpoint.onResponse(200, 'success', round % 10 === 0 ? 5 : 0, '', (round % 32) * 0.7)
})
const ended = {
  status: 200,
  classification: 'success',
  grpcStatus: -1,
  error: '',
  latencyMs: 3,
  durationMs: 40,
} as const
measure('a response of a policy route', () => {
  route.onResponse(ended)
})

const endpoints = Array.from({ length: 1_000 }, (_, at) => {
  const metrics = new RequestMetrics(families.http, `direction="outbound",target_addr="10.0.${at >> 8}.${at & 255}:80"`)
  metrics.onRequest()
  metrics.onResponse(200, 'success', -1, '', at % 100)
  return metrics
})
const startedAt = process.cpuUsage()
const page = registry.render()
const { user, system } = process.cpuUsage(startedAt)
console.log(
  `a page of ${endpoints.length} endpoints: ${(page.length / 1_048_576).toFixed(1)} MB in ${((user + system) / 1_000).toFixed(0)} ms CPU`,
)
