/** An HTTPLocalRateLimitPolicy with real proxies on both sides: how much of what is offered passes. */
import { availableParallelism } from 'node:os'
import { type Test, test } from 'tap'
import type { Agent } from './agent.ts'
import { TestPort } from './app/grpc-echo.ts'
import { cannotRun, metric, startMesh, until } from './cluster.ts'
import { client, type Manifest, namespace, server } from './manifests.ts'

const LIMIT = 100
const SECONDS = 10

const policy = (kind: string, name: string, spec: object, version = 'v1alpha1'): Manifest => ({
  apiVersion: `policy.linkerd.io/${version}`,
  kind,
  metadata: { name, namespace: 'meshed' },
  spec,
})
const rateLimit = (app: string, spec: object): Manifest =>
  policy('HTTPLocalRateLimitPolicy', `${app}-limit`, {
    targetRef: { group: 'policy.linkerd.io', kind: 'Server', name: `${app}-http` },
    ...spec,
  })
const serverOf = (app: string): Manifest =>
  policy(
    'Server',
    `${app}-http`,
    {
      podSelector: { matchLabels: { app } },
      port: TestPort.http,
      proxyProtocol: 'HTTP/1',
      accessPolicy: 'all-unauthenticated',
    },
    'v1beta3',
  )
const TWO_WORKERS = { 'config.linkerd.io/proxy-cpu-limit': '2' }
const tooFewCores = availableParallelism() < 2 && 'a proxy has no more workers than the machine has cores: one'
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

test('rate limits', { skip: cannotRun }, async (t) => {
  const mesh = await startMesh(t, {
    manifests: [
      namespace('meshed', true),
      namespace('plain', false),
      ...server({ name: 'web', namespace: 'meshed' }),
      ...server({ name: 'wide', namespace: 'meshed', annotations: TWO_WORKERS }),
      ...client({ name: 'greedy', namespace: 'meshed' }),
      ...client({ name: 'modest', namespace: 'meshed' }),
      ...client({ name: 'stranger', namespace: 'plain' }),
      ...['web', 'wide'].flatMap((app) => [serverOf(app), rateLimit(app, { total: { requestsPerSecond: LIMIT } })]),
    ],
  })
  const [greedy, modest] = [mesh.agent('meshed', 'greedy'), mesh.agent('meshed', 'modest')]
  const url = `http://web.meshed:${TestPort.http}/who`
  const { status } = await mesh.onePod('meshed', 'web')
  const limited = (labels: string) =>
    metric(mesh.agent('plain', 'stranger'), status?.podIP ?? '', 'inbound_http_local_ratelimit_total', labels)

  await t.test('two workers together admit no more than the rate', { skip: tooFewCores }, async (t) => {
    // The kernel spreads connections as it likes, and each worker admits its part: all of it only where both are asked enough.
    const stranger = mesh.agent('plain', 'stranger')
    const load = { name: 'wide', target: `http://wide.meshed:${TestPort.http}/who` }
    t.match((await offerTooMuch(t, stranger, load, LIMIT / 2)).failures[0], /429/)
    await stranger.call('stopLoad', { name: load.name })
  })

  const after = await offerTooMuch(t, greedy, { name: 'much', target: url })
  t.match(after.failures[0], /429/)
  t.equal((await mesh.onePod('meshed', 'web')).status?.phase, 'Running')
  t.ok((await limited('ratelimit_name="web-limit",ratelimit_scope="total"')) > 0, 'the metric counts them')

  await mesh.apply([rateLimit('web', { total: { requestsPerSecond: 1_000 }, identity: { requestsPerSecond: 5 } })])
  await until('the new limit holds', async () => (await limited('ratelimit_scope="identity"')) > 0)
  await sleep(1_000)
  const some = await modest.call('manyHttp', { url, count: 5, concurrency: 1 })
  t.equal(some.failed, 0, 'another identity has its own limit, whatever the first one does')
  const { failed } = await greedy.call('stopLoad', { name: 'much' })
  t.ok(failed > after.failed)
})

/**
 * Starts a load, and sees how much of it passes in `SECONDS`: no more than `LIMIT`, and no less than `least`.
 *
 * @returns the counts in the end; the load goes on
 */
async function offerTooMuch(
  t: Test,
  agent: Agent,
  load: { readonly name: string; readonly target: string },
  least = LIMIT,
) {
  const { name } = load
  await agent.call('startLoad', { ...load, kind: 'http', concurrency: 36, pauseMs: 100 })
  // The first second's burst is not the rate.
  await sleep(1_500)
  const [before, startedAtMs] = [await agent.call('reportLoad', { name }), performance.now()]
  await sleep(SECONDS * 1_000)
  const [after, endedAtMs] = [await agent.call('reportLoad', { name }), performance.now()]
  const seconds = (endedAtMs - startedAtMs) / 1_000
  const passed = (after.succeeded - before.succeeded) / seconds
  const offered = passed + (after.failed - before.failed) / seconds
  t.comment(`${offered.toFixed(0)} requests per second were offered, ${passed.toFixed(1)} passed`)
  t.ok(offered > 1.5 * LIMIT, 'more was offered than may pass')
  t.ok(passed <= 1.05 * LIMIT, `${passed.toFixed(1)} per second passed of ${LIMIT} allowed`)
  t.ok(passed >= 0.95 * least, `${passed.toFixed(1)} per second passed, of ${least} at least`)
  return after
}
