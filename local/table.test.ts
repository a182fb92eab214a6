import { test } from 'tap'
import { phaseLengthMs, resultLine } from './demo.ts'
import type { Report, RouteRow } from './metrics/report.ts'
import { formatShare, refreshInPlace, renderPods, renderTable } from './table.ts'

const row: RouteRow = {
  from: 'web',
  to: 'prices',
  route: 'GET /v1/prices/{id}',
  protocol: 'http',
  mtls: true,
  requests: 125,
  successRate: 0.9876,
  retries: 7,
  p50Ms: 1.234,
  p95Ms: 19.6,
  p99Ms: 104,
}
const report: Report = {
  periodMs: 10_000,
  pods: [
    { name: 'linkerd-destination-1', namespace: 'linkerd', injected: true, ready: true },
    { name: 'web-1', namespace: 'shop', injected: true, ready: true },
    { name: 'old-1', namespace: 'shop', injected: false, ready: false },
  ],
  edges: [],
  routes: [
    row,
    {
      ...row,
      to: 'cache',
      route: '',
      protocol: 'tcp',
      mtls: false,
      requests: 1,
      successRate: null,
      retries: 0,
      p50Ms: null,
      p95Ms: null,
      p99Ms: null,
    },
  ],
  replicas: [
    { service: 'prices', pod: 'prices-1', requests: 75, share: 0.75 },
    { service: 'prices', pod: 'prices-2', requests: 25, share: 0.25 },
    { service: 'cache', pod: 'cache-1', requests: 1, share: 1 },
  ],
}

test('renderTable', async (t) => {
  t.same(renderTable(report, { title: 'weft', notes: ['a note'] }), [
    'weft',
    '2 pods, 1 ready, 1 injected',
    'a note',
    '',
    'FROM  TO      ROUTE                PROTOCOL  MESHED  SUCCESS   RPS    P50   P95    P99  RETRIES',
    'web   prices  GET /v1/prices/{id}  http      yes       98.7%  12.5  1.2ms  20ms  104ms        7',
    'web   cache   -                    tcp       no            -   0.1      -     -      -        0',
    '',
    'SERVICE  REPLICA   SHARE  REQUESTS',
    'prices   prices-1  75.0%        75  ███████████████',
    '         prices-2  25.0%        25  █████',
  ])
  t.equal(renderTable(report, { title: 'weft', notes: [] }, 20)[3]?.length, 20, 'cut to the terminal')
  t.equal(renderTable({ ...report, routes: [] }, { title: '', notes: [] }).at(-1), 'no requests yet')
})

test('a refresh goes back over what it wrote before', async (t) => {
  t.equal(refreshInPlace(['a', 'b'], 0), '\ra\u001b[K\nb\u001b[K\n\u001b[J')
  t.equal(refreshInPlace(['a'], 2), '\u001b[2A\ra\u001b[K\n\u001b[J')
})

test('renderPods', async (t) => {
  t.match(renderPods(report), /^NAMESPACE {2}POD .*\n[\s\S]*shop {7}old-1 +no {5}no\n$/)
})

test('100.0% means all', async (t) => {
  t.equal(formatShare(0.99999), '99.9%')
  t.equal(formatShare(1), '100.0%')
})

test('the demo fits its two phases into --for', async (t) => {
  t.equal(phaseLengthMs(undefined), 10_000)
  t.equal(phaseLengthMs(20_000), 8_000)
  t.equal(phaseLengthMs(5_000), 3_000)
  t.equal(phaseLengthMs(600_000), 10_000)
  t.equal(resultLine(0.665, 0.949), "customers' requests that succeed: 66.5% without service profiles, 94.9% with them")
})
