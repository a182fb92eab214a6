import { test } from 'tap'
import { mergePages } from './merge-pages.ts'
import { Registry } from './registry.ts'

function page(requests: number, latencyMs: number, expiresAt: number, isOther = false): string {
  const registry = new Registry({ nowMs: () => 0, retainIdleMs: 1_000 })
  registry.counter('request', 'Count of requests').child([
    ['direction', 'inbound'],
    ['path', 'a} b'],
  ]).value = requests
  registry.histogram('latency_ms', 'Latency', [1, 10]).child().observe(latencyMs)
  registry.gauge('cert_expiration_timestamp_seconds', 'Expiry').child().value = expiresAt
  if (isOther) registry.gauge('only_here', 'One process alone').child([['a', '1']]).value = 7
  return registry.render()
}

test('pages of several processes become one', async (t) => {
  const merged = mergePages([page(3, 0.5, 2_000), page(4, 5, 1_000, true)])
  const lines = merged.split('\n')
  const value = (series: string): string | undefined =>
    lines
      .find((line) => line.startsWith(`${series} `))
      ?.split(' ')
      .at(-1)
  t.ok(lines.includes('request_total{direction="inbound",path="a} b"} 7'), 'counters add up')
  t.equal(value('latency_ms_bucket{le="1.0"}'), '1')
  t.equal(value('latency_ms_bucket{le="10.0"}'), '2', 'buckets too')
  t.equal(value('latency_ms_sum'), '5.5')
  t.equal(value('latency_ms_count'), '2')
  t.equal(value('cert_expiration_timestamp_seconds'), '1000', 'of times the one that matters')
  t.equal(value('only_here{a="1"}'), '7', 'what one process alone has')
  t.equal(lines.filter((line) => line.startsWith('# TYPE request')).length, 1, 'each family is described once')
  t.match(merged, /\n# EOF\n$/)
})

test('the page of one process stays as it is', async (t) => {
  const only = page(3, 0.5, 2_000, true)
  t.equal(mergePages([only]), only)
})
