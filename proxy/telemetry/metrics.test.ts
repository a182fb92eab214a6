import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { test } from 'tap'
import { declareFamilies } from './families.ts'
import { MAX_SERIES_PER_FAMILY } from './family.ts'
import { joinLabels, renderLabels } from './metrics.ts'
import { networkBytes, registerProcessMetrics } from './process-metrics.ts'
import { Registry } from './registry.ts'
import { RequestMetrics } from './request-metrics.ts'
import { PolicyRouteMetrics, ProfileRouteMetrics } from './route-metrics.ts'
import { type CountedTransport, TcpMetrics } from './tcp-metrics.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

function registry(nowMs = () => 0): Registry {
  return new Registry({ nowMs, retainIdleMs: 600_000 })
}

/** Lines without HELP. */
function samples(from: Registry): string[] {
  return from
    .render()
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('# HELP'))
}

test('labels are escaped', async (t) => {
  t.equal(
    renderLabels([
      ['a', 'x"y\\z\n'],
      ['b', ''],
    ]),
    'a="x\\"y\\\\z\\n",b=""',
  )
  t.equal(joinLabels('', 'a="1"'), 'a="1"')
  t.equal(joinLabels('a="1"', ''), 'a="1"')
})

test('the two generations', async (t) => {
  const page = registry()
  const legacy = page.counter('request', 'Requests', 'legacy').child([['direction', 'inbound']])
  const latency = page.histogram('response_latency_ms', 'Latency', [1, 10], 'legacy').child('a="b"')
  const counter = page.counter('outbound_x_statuses', 'Statuses').child()
  const histogram = page.histogram('outbound_x_seconds', 'Seconds', [0.05, 1]).child('a="b"')
  page.gauge('unused', 'Nothing').sweep()
  legacy.value += 3
  counter.value++
  for (const value of [0.5, 1, 1.5, 99]) latency.observe(value)
  for (const value of [0.05, 0.25, 7]) histogram.observe(value)
  t.equal(
    page.render(),
    `# HELP weft_metrics_dropped_series Label sets not counted because a family was full.
# TYPE weft_metrics_dropped_series counter
weft_metrics_dropped_series_total 0
# HELP request_total Requests
# TYPE request_total counter
request_total{direction="inbound"} 3
# HELP response_latency_ms Latency
# TYPE response_latency_ms histogram
response_latency_ms_bucket{a="b",le="1"} 2
response_latency_ms_bucket{a="b",le="10"} 3
response_latency_ms_bucket{a="b",le="+Inf"} 4
response_latency_ms_sum{a="b"} 102
response_latency_ms_count{a="b"} 4
# HELP outbound_x_statuses Statuses.
# TYPE outbound_x_statuses counter
outbound_x_statuses_total 1
# HELP outbound_x_seconds Seconds.
# TYPE outbound_x_seconds histogram
outbound_x_seconds_bucket{le="0.05",a="b"} 1
outbound_x_seconds_bucket{le="1.0",a="b"} 2
outbound_x_seconds_bucket{le="+Inf",a="b"} 3
outbound_x_seconds_sum{a="b"} 7.3
outbound_x_seconds_count{a="b"} 3
# EOF
`,
  )
})

test('one label set is one series', async (t) => {
  const family = registry().counter('a', 'A', 'legacy')
  t.equal(family.child([['x', '1']]), family.child('x="1"'))
  t.not(family.child('x="1"'), family.child('x="2"'))
})

test('an idle series goes when nobody holds it, and only then', async (t) => {
  let nowMs = 0
  const page = registry(() => nowMs)
  const family = page.counter('a', 'A', 'legacy')
  const held = family.child('series="held"')
  held.value++
  family.child('series="dropped"').value++
  page.render()
  nowMs = 599_999
  await settle()
  t.equal(page.render().match(/^a_total/gm)?.length, 2, 'both are young')
  nowMs = 600_000
  page.render()
  await settle()
  t.same(
    samples(page).filter((line) => line.startsWith('a_total')),
    ['a_total{series="held"} 1'],
  )
  t.equal(family.child('series="held"'), held)
  nowMs = 5_000_000
  page.render()
  held.value++
  t.match(page.render(), 'a_total{series="held"} 2', 'a holder that wakes up still counts')
})

test('what belongs to an owner goes with it', async (t) => {
  const page = registry()
  const family = page.counter('a', 'A', 'owned')
  const held = family.child('series="held"')
  family.child('series="dropped"').value++
  page.render()
  page.render()
  await settle()
  t.same(
    samples(page).filter((line) => line.startsWith('a_total')),
    ['a_total{series="held"} 0'],
  )
  t.ok(held)
})

async function settle(): Promise<void> {
  // A WeakRef keeps its target until the end of the job that read it.
  await new Promise(setImmediate)
  collectGarbage()
  await new Promise(setImmediate)
}

test('a family is bounded', async (t) => {
  const page = registry()
  const family = page.counter('a', 'A', 'legacy')
  for (let n = 0; n < MAX_SERIES_PER_FAMILY + 5; n++) family.child(`n="${n}"`).value++
  t.equal(family.size, MAX_SERIES_PER_FAMILY)
  t.match(page.render(), 'weft_metrics_dropped_series_total 5')
})

test('request metrics of an endpoint', async (t) => {
  const page = registry()
  const { http } = declareFamilies(page)
  const metrics = new RequestMetrics(http, 'direction="outbound"')
  metrics.onRequest()
  metrics.onRequest()
  metrics.onResponse(200, 'success', -1, '', 3)
  metrics.onResponse(200, 'success', 0, '', 4)
  metrics.onResponse(200, 'success', 0, '', 4)
  metrics.onResponse(200, 'failure', 14, '', 4)
  metrics.onResponse(200, 'failure', 99, '', 4)
  metrics.onResponse(0, 'failure', -1, 'h2(CANCEL)', 60_000)
  metrics.onResponse(500, 'failure', -1, 'unclassified', 1)
  const lines = samples(page).filter((line) => !line.includes('_bucket'))
  t.same(lines.slice(2, -1), [
    '# TYPE request_total counter',
    'request_total{direction="outbound"} 2',
    '# TYPE response_total counter',
    'response_total{direction="outbound",status_code="200",classification="success",grpc_status="",error=""} 1',
    'response_total{direction="outbound",status_code="200",classification="success",grpc_status="0",error=""} 2',
    'response_total{direction="outbound",status_code="200",classification="failure",grpc_status="14",error=""} 1',
    'response_total{direction="outbound",status_code="200",classification="failure",grpc_status="2",error=""} 1',
    'response_total{direction="outbound",classification="failure",grpc_status="",error="h2(CANCEL)"} 1',
    'response_total{direction="outbound",status_code="500",classification="failure",grpc_status="",error="unclassified"} 1',
    '# TYPE response_latency_ms histogram',
    'response_latency_ms_sum{direction="outbound",status_code="200"} 19',
    'response_latency_ms_count{direction="outbound",status_code="200"} 5',
    'response_latency_ms_sum{direction="outbound"} 60001',
    'response_latency_ms_count{direction="outbound"} 2',
  ])
  t.match(page.render(), 'response_latency_ms_bucket{direction="outbound",status_code="200",le="4"} 5')
  for (let status = 100; status < 400; status++) metrics.onResponse(status, 'success', -1, '', 1)
  for (let n = 0; n < 300; n++) metrics.onResponse(0, 'failure', -1, `e${n}`, 1)
  t.ok(
    samples(page).filter((line) => line.startsWith('response_total{')).length <= 200,
    'a peer cannot invent kinds without end',
  )
})

class FakeTransport implements CountedTransport {
  readBytes = 0
  writtenBytes = 0
  #onError: ((error: NodeJS.ErrnoException) => void) | undefined
  #onClose: (() => void) | undefined
  readonly socket = {
    once: (event: 'close' | 'error', listener: (error: NodeJS.ErrnoException) => void) => {
      if (event === 'error') this.#onError = listener
      else this.#onClose = listener as () => void
    },
  }
  close(code?: string): void {
    if (code !== undefined) this.#onError?.(Object.assign(new Error(code), { code }))
    this.#onClose?.()
  }
}

test('tcp metrics add up open and closed connections, also of several groups with the same labels', async (t) => {
  const page = registry()
  const { tcp } = declareFamilies(page)
  const groups = [new TcpMetrics(tcp, 'peer="src"'), new TcpMetrics(tcp, 'peer="src"')]
  const transports = [0, 1, 2].map(() => new FakeTransport())
  transports.forEach((transport, at) => {
    groups[at % 2]!.opened(transport)
    transport.readBytes = 10
    transport.writtenBytes = 1
  })
  t.match(
    page.render(),
    /tcp_open_connections\{peer="src"\} 3\n[\s\S]*tcp_read_bytes_total\{peer="src"\} 30\n[\s\S]*tcp_write_bytes_total\{peer="src"\} 3\n/,
  )
  transports[0]!.readBytes = 15
  transports[0]!.close('ECONNRESET')
  transports[1]!.close()
  groups[1]!.closed(transports[1]!, '')
  t.match(
    page.render(),
    /tcp_open_total\{peer="src"\} 3\n[\s\S]*tcp_open_connections\{peer="src"\} 1\n[\s\S]*tcp_read_bytes_total\{peer="src"\} 35\n/,
  )
  t.match(page.render(), 'tcp_close_total{peer="src",errno="ECONNRESET"} 1')
  t.match(page.render(), 'tcp_close_total{peer="src",errno=""} 1')
  t.equal(tcp.active.size, 1, 'groups without connections are not visited')
})

const ended = {
  status: 200,
  classification: 'success',
  grpcStatus: -1,
  error: '',
  latencyMs: 3,
  durationMs: 40,
} as const

test('profile routes', async (t) => {
  const page = registry()
  const families = declareFamilies(page)
  const route = new ProfileRouteMetrics(
    families,
    'outbound',
    'web.ns.svc.cluster.local:80',
    new Map([['route', 'GET /']]),
  )
  route.onRequest()
  route.onAttempt()
  route.onAttemptResponse({ ...ended, status: 500, classification: 'failure' })
  t.notMatch(page.render(), 'route_retryable')
  route.onRetry()
  route.onAttempt()
  route.onAttemptResponse(ended)
  route.onResponse(ended)
  route.onNoBudget()
  const base = 'direction="outbound",dst="web.ns.svc.cluster.local:80",rt_route="GET /"'
  const lines = samples(page).filter(
    (line) => !line.includes('_ms') && !line.startsWith('#') && !line.startsWith('weft'),
  )
  t.same(lines, [
    `route_request_total{${base}} 1`,
    `route_response_total{${base},status_code="200",classification="success",grpc_status="",error=""} 1`,
    `route_actual_request_total{${base}} 2`,
    `route_actual_response_total{${base},status_code="500",classification="failure",grpc_status="",error=""} 1`,
    `route_actual_response_total{${base},status_code="200",classification="success",grpc_status="",error=""} 1`,
    `route_retryable_total{${base}} 1`,
    `route_retryable_total{${base},skipped="no_budget"} 1`,
  ])
  t.match(page.render(), `route_response_latency_ms_count{${base},status_code="200"} 1`)
  const inbound = new ProfileRouteMetrics(families, 'inbound', 'web:80', undefined)
  inbound.onAttempt()
  inbound.onRequest()
  t.match(page.render(), 'route_request_total{direction="inbound",dst="web:80"} 1')
  t.notMatch(page.render(), 'route_actual_request_total{direction="inbound"')
})

test('policy routes', async (t) => {
  const page = registry()
  const families = declareFamilies(page)
  const parent = { group: 'core', kind: 'Service', namespace: 'ns', name: 'web', section: '', port: 80 }
  const meta = { group: '', kind: 'default', namespace: '', name: 'http', section: '', port: 0 }
  const route = new PolicyRouteMetrics(families, false, parent, meta)
  const backend = route.backend({ ...parent, name: 'b' }, parent, meta)
  backend.onRequest()
  backend.onResponse(ended)
  route.onResponse(ended)
  route.onResponse({ ...ended, status: 0, error: 'h2(REFUSED_STREAM)' })
  route.onRetry()
  route.onRetryLimit()
  const p =
    'parent_group="core",parent_kind="Service",parent_namespace="ns",parent_name="web",parent_port="80",parent_section_name=""'
  const r = 'route_group="",route_kind="default",route_namespace="",route_name="http"'
  const b = p.replaceAll('parent', 'backend').replace('"web"', '"b"')
  const page1 = page.render()
  for (const line of [
    `outbound_http_route_request_duration_seconds_bucket{le="0.05",${p},${r},hostname=""} 2`,
    `outbound_http_route_request_statuses_total{${p},${r},hostname="",http_status="200",error=""} 1`,
    `outbound_http_route_request_statuses_total{${p},${r},hostname="",http_status="",error="REFUSED"} 1`,
    `outbound_http_route_retry_requests_total{${p},${r},hostname=""} 1`,
    `outbound_http_route_retry_limit_exceeded_total{${p},${r},hostname=""} 1`,
    `outbound_http_route_backend_requests_total{${p},${r},${b}} 1`,
    `outbound_http_route_backend_response_statuses_total{${p},${r},${b},http_status="200",error=""} 1`,
  ])
    t.ok(page1.split('\n').includes(line), line)
  const grpc = new PolicyRouteMetrics(families, true, parent, meta)
  grpc.onResponse({ ...ended, grpcStatus: 5 })
  grpc.onResponse({ ...ended, grpcStatus: -1 })
  t.match(
    page.render(),
    `outbound_grpc_route_request_statuses_total{${p},${r},hostname="",grpc_status="NOT_FOUND",error=""} 1`,
  )
  t.match(page.render(), `grpc_status="UNKNOWN",error=""} 1`)
})

test('process metrics', async (t) => {
  const page = registry()
  registerProcessMetrics(page, { unixMs: () => 1_000_500, startedUnixMs: 1_000_000 })
  const text = page.render()
  t.match(text, 'process_start_time_seconds 1000\n')
  t.match(text, 'process_uptime_seconds_total 0.5\n')
  t.match(text, /^process_resident_memory_bytes \d{7,}$/m)
  t.match(text, /^process_open_fds \d+$/m)
  const dev =
    'Inter-| Receive | Transmit\n face |bytes\n    lo: 5 1 0 0 0 0 0 0 5 1\n  eth0: 100 1 0 0 0 0 0 0 200 1\n  eth1:1 1 0 0 0 0 0 0 2 1\n'
  t.same(networkBytes(dev), { received: 101, sent: 202 })
})
