import { test } from 'tap'
import { TestCluster, whyNoCluster } from './testing/cluster.ts'

interface DemoObject {
  readonly startupMs: number
  readonly pods: readonly { readonly name: string; readonly injected: boolean; readonly ready: boolean }[]
  readonly edges: readonly {
    readonly from: string
    readonly to: string
    readonly protocol: string
    readonly mtls: boolean
    readonly requests: number
    readonly successRate: number
    readonly retries: number
    readonly p99Ms: number | null
  }[]
  readonly replicas: readonly { readonly service: string; readonly share: number }[]
  readonly profile: {
    readonly before: { readonly successRate: number }
    readonly after: { readonly successRate: number }
  }
}

test('the demo: everything meshed, and profiles repair most of what fails', {
  skip: whyNoCluster(),
  timeout: 90_000,
}, async (t) => {
  const cluster = new TestCluster()
  t.teardown(() => cluster.remove())
  cluster.start('demo', '--for', '14s', '--json')
  t.equal(await cluster.exit(), 0)
  const { startupMs, pods, edges, replicas, profile } = JSON.parse(cluster.stdout) as DemoObject
  t.comment(`up in ${startupMs} ms, success ${profile.before.successRate} and ${profile.after.successRate}`)

  t.ok(startupMs < 60_000, `up in ${startupMs} ms`)
  t.ok(pods.length >= 8 && pods.every(({ injected, ready }) => injected && ready), 'all pods are injected and ready')
  const wanted = [
    { from: 'load', to: 'web', protocol: 'http' },
    { from: 'web', to: 'cache', protocol: 'tcp' },
    { from: 'web', to: 'inventory', protocol: 'grpc' },
    { from: 'web', to: 'prices', protocol: 'http' },
  ]
  for (const { from, to, protocol } of wanted) {
    const edge = edges.find((each) => each.from === from && each.to === to)
    t.match(edge, { protocol, mtls: true }, `${from} to ${to}`)
    t.ok((edge?.requests ?? 0) > 0)
  }
  t.ok(
    edges.some(({ retries }) => retries > 0),
    'calls were repeated',
  )
  const shares = replicas.filter(({ service }) => service === 'inventory').map(({ share }) => share)
  t.equal(shares.length, 3, 'one client connection, three replicas')
  t.ok(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-9)
  t.ok(profile.after.successRate > profile.before.successRate + 0.1, 'success goes up visibly')
  t.match(cluster.stderr, /customers' requests that succeed: \d+\.\d% without service profiles, \d+\.\d% with them/)
})
