import { test } from 'tap'
import { defaultMeta } from '../policy/meta.ts'
import { declareFamilies } from './families.ts'
import { InboundRouteMetrics } from './inbound-route-metrics.ts'
import { Registry } from './registry.ts'

test('requests of a route are counted by Server, route and status', async (t) => {
  const registry = new Registry({ nowMs: () => 0, retainIdleMs: 1_000 })
  const families = declareFamilies(registry)
  const server = defaultMeta('all-unauthenticated')
  const http = new InboundRouteMetrics(families.inboundRoute.http, false, server, 8080, defaultMeta('default'))
  const grpc = new InboundRouteMetrics(families.inboundRoute.grpc, true, server, 50051, defaultMeta('default'))
  for (const [status, error] of [
    [200, ''],
    [200, ''],
    [503, ''],
    [0, 'h2(CANCEL)'],
  ] as const) {
    http.onRequest()
    http.onResponse(status, -1, error, 700)
  }
  grpc.onRequest()
  grpc.onResponse(200, 5, '', 10)
  const page = registry.render()
  const labels = (port: number) =>
    `parent_group="",parent_kind="default",parent_name="all-unauthenticated",parent_port="${port}",route_group="",route_kind="default",route_name="default"`
  for (const line of [
    `inbound_http_requests_total{${labels(8080)}} 4`,
    `inbound_http_statuses_total{${labels(8080)},status="200"} 2`,
    `inbound_http_statuses_total{${labels(8080)},status="503"} 1`,
    `inbound_http_statuses_total{${labels(8080)},status=""} 1`,
    `inbound_http_response_duration_seconds_bucket{le="1.0",${labels(8080)}} 4`,
    `inbound_grpc_statuses_total{${labels(50051)},status="5"} 1`,
  ]) {
    t.ok(page.includes(line), line)
  }
})
