import { test } from 'tap'
import type { Authorization } from '../policy/authorization.ts'
import { defaultServer, type InboundRoute, type InboundServer } from '../policy/inbound-policy.ts'
import { defaultMeta } from '../policy/meta.ts'
import { declareFamilies } from '../telemetry/families.ts'
import { Logger } from '../telemetry/log.ts'
import { parseLogFilter } from '../telemetry/log-filter.ts'
import { Registry } from '../telemetry/registry.ts'
import type { TlsState } from './connection.ts'
import { errors } from './errors.ts'
import { InboundMetrics, MAX_AUDIT_LINES_PER_SECOND } from './telemetry.ts'

const TARGET = { ip: '10.0.0.1', port: 80 }
const MESH: TlsState = { kind: 'mesh', identity: 'web.shop' }
const LABELS =
  'target_addr="10.0.0.1:80",target_ip="10.0.0.1",target_port="80",srv_group="policy.linkerd.io",srv_kind="server",srv_name="web",srv_port="80"'
const TLS = 'tls="true",client_id="web.shop"'
const DEFAULT_ROUTE = 'route_group="",route_kind="default",route_name="default"'
const AUDIT = 'authz_group="",authz_kind="default",authz_name="audit"'

const audit = defaultServer('audit', false, [], 10_000)
const server: InboundServer = { ...audit, meta: { ...defaultMeta('web'), group: 'policy.linkerd.io', kind: 'server' } }
const [byAudit] = server.authorizations as readonly [Authorization]
const byPolicy: Authorization = {
  ...byAudit,
  meta: { ...defaultMeta('audit'), group: 'policy.linkerd.io', kind: 'authorizationpolicy' },
}
const route = (server.protocol as { table: { routes: readonly InboundRoute[] } }).table.routes[0]!

function bed() {
  const clock = { nowMs: 0 }
  const lines: string[] = []
  const registry = new Registry({ nowMs: () => clock.nowMs, retainIdleMs: 60_000 })
  const filter = parseLogFilter('info')
  if ('problem' in filter) throw new Error(filter.problem)
  const write = (line: string) => void lines.push(line)
  const log = Logger.create({ format: 'plain', write, uptimeMs: () => clock.nowMs }, filter)
  const metrics = new InboundMetrics(declareFamilies(registry), log, () => clock.nowMs)
  return {
    clock,
    lines,
    metrics,
    recorders: metrics.recorders(TARGET, MESH, '10.0.0.2:5'),
    text: () => registry.render(),
  }
}

test('what only audit lets through is counted under its name, and told', async (t) => {
  const { clock, lines, metrics, recorders, text } = bed()
  recorders.allowed(server, route, byPolicy)
  metrics.tcpAllowed(TARGET, MESH, server, byPolicy, '10.0.0.2:5')
  t.same(lines, [], 'a policy of that name is no default')
  recorders.allowed(server, route, byAudit)
  recorders.allowed(server, route, byAudit)
  metrics.tcpAllowed(TARGET, MESH, server, byAudit, '10.0.0.2:6')
  const labels = `${LABELS},${DEFAULT_ROUTE},${AUDIT},${TLS}`
  t.match(text(), `inbound_http_authz_allow_total{${labels}} 2\n`)
  t.match(text(), `inbound_tcp_authz_allow_total{${LABELS},${AUDIT},${TLS}} 1\n`)
  t.match(lines, [
    `INFO linkerd_proxy: inbound request from 10.0.0.2:5 allowed by audit alone: ${labels}\n`,
    'inbound request',
    `inbound connection from 10.0.0.2:6 allowed by audit alone: ${LABELS},${AUDIT},${TLS}\n`,
  ])

  for (let count = 0; count < 1_000; count++) recorders.allowed(server, route, byAudit)
  t.equal(lines.length, MAX_AUDIT_LINES_PER_SECOND, 'no more than some lines per second')
  clock.nowMs = 1_000
  recorders.allowed(server, route, byAudit)
  t.match(lines.at(-1), '(903 more audited since the last line)')
  t.match(text(), `{${labels}} 1003\n`, 'all are counted')
  recorders.allowed(server, route, byPolicy)
  t.equal(lines.length, MAX_AUDIT_LINES_PER_SECOND + 1, 'nothing is told of whom a policy admits')
})

test('what policy refuses is no error', async (t) => {
  const { recorders, text } = bed()
  const meta = { ...defaultMeta('slow'), group: 'policy.linkerd.io', kind: 'HTTPLocalRateLimitPolicy' }
  const limit = { meta, total: 1, identity: 1, overrides: [] }
  for (const scope of ['total', 'identity', 'identity'] as const) recorders.rateLimited(server, limit, scope)
  recorders.denied(server, route)
  recorders.notFound(server)
  for (const error of [
    errors.unauthorized('r'),
    errors.noRoute('s'),
    errors.rateLimited('total rate limit exceeded: 1rps'),
    errors.redirect(301),
  ]) {
    recorders.failed(server, error)
  }
  const named = 'ratelimit_group="policy.linkerd.io",ratelimit_kind="HTTPLocalRateLimitPolicy",ratelimit_name="slow"'
  t.match(text(), `inbound_http_local_ratelimit_total{${LABELS},${named},ratelimit_scope="total",${TLS}} 1\n`)
  t.match(text(), `inbound_http_local_ratelimit_total{${LABELS},${named},ratelimit_scope="identity",${TLS}} 2\n`)
  t.match(text(), `inbound_http_authz_deny_total{${LABELS},${DEFAULT_ROUTE},${TLS}} 1\n`)
  t.match(text(), `inbound_http_route_not_found_total{${LABELS},${TLS}} 1\n`)
  t.notMatch(text(), 'inbound_http_errors_total')
  recorders.failed(server, errors.appIo('gone'))
  t.match(text(), `inbound_http_errors_total{error="i/o",${LABELS}} 1\n`)
})
