import { test } from 'tap'
import { MetricsHistory, type Page } from './history.ts'
import { readSamples } from './prometheus-text.ts'
import { report, successRateOf } from './report.ts'

const all = () => true

test('readSamples', async (t) => {
  const text = [
    '# TYPE a counter',
    'a 1',
    'a{x="1",y="two \\"words\\" \\\\ \\n"} 2.5 1700000000000',
    'a_bucket{le="+Inf"} +Inf',
    'broken{x="1} 3',
    'other 9',
    'b{',
    '# EOF',
  ].join('\n')
  const samples = [...readSamples(text, (name) => name !== 'other')].map(({ name, labels, value, series }) => [
    name,
    Object.fromEntries(labels),
    value,
    series,
  ])
  t.same(samples, [
    ['a', {}, 1, 'a'],
    ['a', { x: '1', y: 'two "words" \\ \n' }, 2.5, 'a{x="1",y="two \\"words\\" \\\\ \\n"}'],
    ['a_bucket', { le: '+Inf' }, Number.POSITIVE_INFINITY, 'a_bucket{le="+Inf"}'],
  ])
  t.same([...readSamples('a 1', all)].length, 1, 'a last line without its end')
})

const OUT =
  'direction="outbound",authority="prices.shop.svc.cluster.local",target_addr="10.42.0.9:8080",tls="true",dst_namespace="shop",dst_service="prices"'
const DST = 'direction="outbound",dst="prices.shop.svc.cluster.local:80"'
const page = (...lines: string[]): Page => ({
  uid: 'web-1',
  namespace: 'shop',
  workload: 'web',
  text: lines.join('\n'),
})
const alive = new Set(['web-1'])

function rows(...pages: Page[]) {
  const history = new MetricsHistory()
  for (const [index, each] of pages.entries()) history.add([each], alive, index * 1_000)
  return report(history.since(-1), [], 1_000)
}

test('without a profile the attempts count', async (t) => {
  const { edges, routes, replicas } = rows(
    page(
      `response_total{${OUT},dst_pod="p1",status_code="200",classification="success",grpc_status="",error=""} 30`,
      `response_total{${OUT},dst_pod="p2",status_code="500",classification="failure",grpc_status="",error=""} 10`,
      `response_latency_ms_bucket{${OUT},dst_pod="p1",status_code="200",le="10"} 20`,
      `response_latency_ms_bucket{${OUT},dst_pod="p1",status_code="200",le="20"} 40`,
      `response_latency_ms_bucket{${OUT},dst_pod="p1",status_code="200",le="+Inf"} 40`,
      'response_total{direction="inbound",target_addr="10.42.0.3:8080",tls="true",classification="success"} 99',
    ),
  )
  t.same(edges, [
    {
      from: 'web',
      to: 'prices',
      protocol: 'http',
      mtls: true,
      requests: 40,
      successRate: 0.75,
      retries: 0,
      p50Ms: 10,
      p95Ms: 19,
      p99Ms: 19.8,
    },
  ])
  t.same(routes, [{ ...edges[0], route: '' }])
  t.same(replicas, [
    { service: 'prices', pod: 'p1', requests: 30, share: 0.75 },
    { service: 'prices', pod: 'p2', requests: 10, share: 0.25 },
  ])
  t.equal(successRateOf(edges), 0.75)
})

test('with a profile the requests of the application count, and what no route took', async (t) => {
  const { edges, routes } = rows(
    page(
      // 5 successes outside of the profile; on it 20 requests, of which 8 attempts failed and 7 were repeated.
      `response_total{${OUT},dst_pod="p1",classification="success"} 24`,
      `response_total{${OUT},dst_pod="p1",classification="failure"} 8`,
      `route_actual_response_total{${DST},rt_route="GET /a",classification="success"} 19`,
      `route_actual_response_total{${DST},rt_route="GET /a",classification="failure"} 8`,
      `route_response_total{${DST},rt_route="GET /a",classification="success"} 19`,
      `route_response_total{${DST},rt_route="GET /a",classification="failure"} 1`,
      `route_retryable_total{${DST},rt_route="GET /a"} 7`,
      `route_retryable_total{${DST},rt_route="GET /a",skipped="no_budget"} 1`,
    ),
  )
  t.match(edges, [{ requests: 25, successRate: 24 / 25, retries: 7 }])
  t.match(routes, [
    { route: '', requests: 5, successRate: 1 },
    { route: 'GET /a', requests: 20, successRate: 19 / 20, retries: 7 },
  ])
})

test('what never left the proxy has failed', async (t) => {
  const parent =
    'parent_group="core",parent_kind="Service",parent_namespace="shop",parent_name="prices",parent_port="80"'
  const { edges } = rows(
    page(
      `response_total{${OUT},dst_pod="p1",classification="success"} 9`,
      `outbound_http_route_request_statuses_total{${parent},http_status="",error="FAIL_FAST"} 1`,
      `outbound_http_route_request_statuses_total{${parent},http_status="200",error=""} 9`,
    ),
  )
  t.match(edges, [{ requests: 10, successRate: 0.9 }])
})

test('opaque connections are counted where no requests are', async (t) => {
  const cache =
    'direction="outbound",peer="dst",authority="cache.data.svc.cluster.local:6379",tls="no_identity",dst_namespace="data",dst_service="cache",dst_pod="c1"'
  const { edges } = rows(
    page(
      `tcp_open_total{${cache}} 4`,
      `tcp_close_total{${cache},errno="ECONNRESET"} 1`,
      `tcp_close_total{${cache},errno=""} 1`,
    ),
  )
  t.same(edges, [
    {
      from: 'web',
      to: 'cache.data',
      protocol: 'tcp',
      mtls: false,
      requests: 4,
      successRate: 0.75,
      retries: 0,
      p50Ms: null,
      p95Ms: null,
      p99Ms: null,
    },
  ])
})

test('a connection that lasts keeps its row in a minute in which none was opened', async (t) => {
  const cache = 'direction="outbound",peer="dst",tls="true",dst_service="cache",dst_pod="c1"'
  const history = new MetricsHistory()
  const edges = (sinceMs: number) => report(history.since(sinceMs), [], 1_000).edges
  history.add([page(`tcp_open_total{${cache}} 1`, `tcp_open_connections{${cache}} 1`)], alive, 1_000)
  history.add([page(`tcp_open_total{${cache}} 1`, `tcp_open_connections{${cache}} 1`)], alive, 9_000)
  t.match(edges(5_000), [{ to: 'cache', protocol: 'tcp', mtls: true, requests: 0, successRate: null }])
  history.add([page(`tcp_open_total{${cache}} 1`, `tcp_open_connections{${cache}} 0`)], alive, 10_000)
  t.same(edges(5_000), [])
})

test('increases, restarts and windows', async (t) => {
  const line = (value: number) => page(`response_total{${OUT},dst_pod="p1",classification="success"} ${value}`)
  const history = new MetricsHistory()
  const counted = (sinceMs: number) => report(history.since(sinceMs), [], 1_000).edges[0]?.requests ?? 0
  history.add([line(10)], alive, 1_000)
  history.add([line(15)], alive, 2_000)
  t.equal(counted(0), 15)
  t.equal(counted(1_000), 5, 'only what came later')
  history.add([], alive, 3_000)
  history.add([line(16)], alive, 4_000)
  t.equal(counted(2_000), 1, 'a scrape that failed loses nothing')
  history.add([line(3)], alive, 5_000)
  t.equal(counted(4_000), 3, 'a counter that fell began again')
  for (let second = 6; second < 700; second++) history.add([line(3)], alive, second * 1_000)
  t.equal(counted(0), 19, 'the whole run, although its first minutes are kept as a sum only')
})
