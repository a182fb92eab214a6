/**
 * A world that changes under load: replicas come and go, pods end with requests in flight, the control plane dies and
 * comes back. No request may fail.
 */
import { type Test, test } from 'tap'
import { ProxyConfig } from '../../api/vocabulary.ts'
import type { Agent } from './agent.ts'
import { TestPort } from './app/grpc-echo.ts'
import { cannotRun, DEFAULT_CONTROL_PLANE_NS, type Mesh, startMesh, until } from './cluster.ts'
import { client, namespace, server } from './manifests.ts'

const CONTROL = 'linkerd-destination'

const LOADS = [
  { name: 'HTTP/1', kind: 'http', target: `http://web.meshed:${TestPort.http}/who` },
  { name: 'gRPC', kind: 'grpc', target: `web.meshed:${TestPort.grpc}` },
] as const

test('change', { skip: cannotRun }, async (t) => {
  const mesh = await startMesh(t, {
    manifests: [
      namespace('meshed', true),
      namespace('plain', false),
      ...server({ name: 'web', namespace: 'meshed', replicas: 3 }),
      ...server({ name: 'drain', namespace: 'meshed' }),
      ...server({
        name: 'drain-beside',
        namespace: 'meshed',
        annotations: { [ProxyConfig.enableNativeSidecar]: 'false' },
      }),
      ...client({ name: 'client', namespace: 'meshed' }),
      ...client({ name: 'client', namespace: 'plain' }),
    ],
  })
  const meshed = mesh.agent('meshed', 'client')
  const plain = mesh.agent('plain', 'client')

  await t.test('replicas added and removed', async (t) => {
    const load = await Load.start(meshed)
    await load.reaches(await mesh.ready('meshed', 'web', 3))
    await mesh.scale('meshed', 'web', 5)
    const five = await mesh.ready('meshed', 'web', 5)
    await load.reaches(five)
    await mesh.scale('meshed', 'web', 2)
    await mesh.ready('meshed', 'web', 2)
    await load.goesOn()
    await load.end(t)
  })

  const drains = [
    { name: 'drain', what: 'a pod that is deleted finishes what it has begun' },
    { name: 'drain-beside', what: 'so does one whose proxy is told to end at the same moment as the application' },
  ]
  for (const { name: app, what } of drains) {
    await t.test(what, async (t) => {
      const http = `http://${app}.meshed:${TestPort.http}/slow?ms=3000`
      const grpc = { target: `${app}.meshed:${TestPort.grpc}`, method: 'unary', count: 12, concurrency: 12 } as const
      const [leaving] = await mesh.ready('meshed', app, 1)
      const { metadata, status } = leaving!
      await meshed.call('beginSlow', { name: 'head out', url: `${http}&head`, count: 12 })
      await meshed.call('beginSlow', { name: 'nothing out', url: http, count: 12 })
      const calls = meshed.call('grpcCalls', { ...grpc, request: { text: 'slow', delayMs: 3_000 } })
      await until('all requests are in flight', async () => (await inFlight(plain, status.podIP)) === 36)
      await mesh.deletePod(leaving!)
      const complete = { succeeded: 12, failed: 0, failures: [], byPod: { [metadata.name]: 12 } }
      for (const name of ['head out', 'nothing out']) {
        t.same(await meshed.call('finishSlow', { name }), complete, `HTTP/1, ${name}`)
      }
      t.same(await calls, complete, 'gRPC')
      const [next] = await mesh.ready('meshed', app, 1)
      t.not(next!.metadata.name, metadata.name, 'then it is gone')
    })
  }

  await t.test('the control plane is killed and comes back', async (t) => {
    const load = await Load.start(meshed)
    await load.goesOn()
    const before = await mesh.onePod(DEFAULT_CONTROL_PLANE_NS, CONTROL)
    // Its own user's processes are this one alone.
    await mesh.exec(DEFAULT_CONTROL_PLANE_NS, CONTROL, 'control', ['sh', '-c', 'kill -KILL -1'])
    await until('the control plane was restarted', async () => {
      const pod = await mesh.onePod(DEFAULT_CONTROL_PLANE_NS, CONTROL)
      return restarts(pod) > restarts(before)
    })
    await load.goesOn()
    await mesh.scale('meshed', 'web', 3)
    await load.reaches(await mesh.ready('meshed', 'web', 3))
    t.ok(true, 'after its restart it tells of new endpoints')

    // Another pod has another address, which the proxies have to look up again.
    await mesh.deletePod(before)
    await load.goesOn()
    await until('another pod of the control plane', async () => {
      const pods = await mesh.pods(DEFAULT_CONTROL_PLANE_NS, CONTROL)
      return pods.length === 1 && pods[0]!.metadata.name !== before.metadata.name
    })
    await mesh.ready(DEFAULT_CONTROL_PLANE_NS, CONTROL, 1)
    await mesh.scale('meshed', 'web', 4)
    await load.reaches(await mesh.ready('meshed', 'web', 4))
    t.ok(true, 'so does the one that takes its place')
    await load.end(t)
  })
})

/** HTTP/1 and gRPC at `web`, steadily. */
class Load {
  readonly #agent: Agent

  private constructor(agent: Agent) {
    this.#agent = agent
  }

  static async start(agent: Agent): Promise<Load> {
    for (const load of LOADS) await agent.call('startLoad', { ...load, concurrency: 4, pauseMs: 10 })
    return new Load(agent)
  }

  /** Waits until each of `pods` has answered requests of each kind. */
  async reaches(pods: Awaited<ReturnType<Mesh['pods']>>): Promise<void> {
    for (const { name } of LOADS) {
      await until(`each of ${pods.length} pods gets ${name} requests`, async () => {
        const { byPod } = await this.#agent.call('reportLoad', { name })
        return pods.every(({ metadata }) => (byPod[metadata.name] ?? 0) > 0)
      })
    }
  }

  /** Waits for some more requests. */
  async goesOn(): Promise<void> {
    for (const { name } of LOADS) {
      const before = await this.#agent.call('reportLoad', { name })
      await until(`more ${name} requests`, async () => {
        const { succeeded, failed } = await this.#agent.call('reportLoad', { name })
        return succeeded + failed > before.succeeded + before.failed + 100
      })
    }
  }

  async end(t: Test): Promise<void> {
    for (const { name } of LOADS) {
      const report = await this.#agent.call('stopLoad', { name })
      t.match(report, { failed: 0, failures: [] }, `${name}: none of ${report.succeeded} requests failed`)
    }
  }
}

async function inFlight(agent: Agent, podIp: string): Promise<number> {
  const { body } = await agent.call('http', { url: `http://${podIp}:${TestPort.http}/count` })
  return (JSON.parse(body) as { inFlight: number }).inFlight
}

function restarts({ status }: Awaited<ReturnType<Mesh['onePod']>>): number {
  return status.containerStatuses.reduce((sum, { restartCount }) => sum + restartCount, 0)
}
