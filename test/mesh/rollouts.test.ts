/**
 * Rolling restarts under load: every replica of a service is replaced again and again, and no request of a meshed client
 * may fail. `npm run test:rollouts` does a hundred of them at 1,000 requests a second; the suite does two at a fifth.
 */
import { test } from 'tap'
import type { Agent } from './agent.ts'
import { TestPort } from './app/grpc-echo.ts'
import { cannotRun, type Mesh, startMesh, until } from './cluster.ts'
import { client, namespace, server } from './manifests.ts'

const ROLLOUTS = Number(process.env.WEFT_ROLLOUTS ?? 2)
const REPLICAS = 3
/** Of both loads together; workers pause, so a slow answer is made up for by none. */
const REQUESTS_PER_SECOND = ROLLOUTS > 2 ? 1_000 : 200
const WORKERS = 16

const LOADS = [
  { name: 'HTTP/1', kind: 'http', target: `http://web.meshed:${TestPort.http}/who` },
  { name: 'gRPC', kind: 'grpc', target: `web.meshed:${TestPort.grpc}` },
] as const

test(`${ROLLOUTS} rolling restarts`, { skip: cannotRun, timeout: 120_000 + ROLLOUTS * 60_000 }, async (t) => {
  const mesh = await startMesh(t, {
    manifests: [
      namespace('meshed', true),
      ...server({ name: 'web', namespace: 'meshed', replicas: REPLICAS }),
      ...client({ name: 'client', namespace: 'meshed' }),
    ],
  })
  const agent = mesh.agent('meshed', 'client')
  const pauseMs = (1_000 * WORKERS * LOADS.length) / REQUESTS_PER_SECOND
  for (const load of LOADS) await agent.call('startLoad', { ...load, concurrency: WORKERS, pauseMs })
  const startedAtMs = Date.now()

  let before = await mesh.ready('meshed', 'web', REPLICAS)
  for (let rollout = 1; rollout <= ROLLOUTS; rollout++) {
    await mesh.apply(
      server({ name: 'web', namespace: 'meshed', replicas: REPLICAS, annotations: { rollout: `${rollout}` } }),
    )
    before = await replaced(mesh, before)
    if (rollout % 10 === 0) t.comment(`${rollout} rollouts: ${await failures(agent)}`)
  }

  const seconds = (Date.now() - startedAtMs) / 1_000
  for (const { name } of LOADS) {
    const report = await agent.call('stopLoad', { name })
    t.match(report, { failed: 0, failures: [] }, `${name}: none of ${report.succeeded} requests failed`)
    t.comment(`${name}: ${Math.round(report.succeeded / seconds)} requests a second over ${Math.round(seconds)} s`)
    t.equal(
      before.every(({ metadata }) => (report.byPod[metadata.name] ?? 0) > 0),
      true,
      `${name}: the last replicas answered too`,
    )
  }
})

/** Waits until none of `old` is left and as many others are ready, and have had the time to be asked something. */
async function replaced(mesh: Mesh, old: Awaited<ReturnType<Mesh['ready']>>) {
  const names = new Set(old.map(({ metadata }) => metadata.name))
  return until('all replicas are new ones', async () => {
    const pods = await mesh.ready('meshed', 'web', REPLICAS)
    return pods.every(({ metadata }) => !names.has(metadata.name)) && pods
  })
}

/** How many requests have failed so far, and how. */
async function failures(agent: Agent): Promise<string> {
  const reports = await Promise.all(LOADS.map(({ name }) => agent.call('reportLoad', { name })))
  const failed = reports.reduce((sum, report) => sum + report.failed, 0)
  return [`${failed} of all requests failed`, ...reports.flatMap((report) => report.failures)].join('\n')
}
