/** Circuits open and close: endpoints that fail get no more than probes, and everything once they have recovered. */
import { test } from 'tap'
import type { Agent } from './agent.ts'
import { TestPort } from './app/grpc-echo.ts'
import { cannotRun, startMesh, until } from './cluster.ts'
import { client, namespace, server, serviceOf } from './manifests.ts'

const NS = 'meshed'
const COUNT = 300
const CONCURRENCY = 3
const MAX_FAILURES = 3
const MIN_REQUESTS = 10
const PENALTY_MS = 500

const PENALTIES = {
  'balancer.linkerd.io/failure-accrual-consecutive-min-penalty': `${PENALTY_MS}ms`,
  'balancer.linkerd.io/failure-accrual-consecutive-max-penalty': `${PENALTY_MS}ms`,
  'balancer.linkerd.io/failure-accrual-consecutive-jitter-ratio': '0',
}
const CONSECUTIVE = {
  ...PENALTIES,
  'balancer.linkerd.io/failure-accrual': 'consecutive',
  'balancer.linkerd.io/failure-accrual-consecutive-max-failures': String(MAX_FAILURES),
}
/** Of the same pods: each service has breakers of its own. */
const SERVICES = {
  none: {},
  consecutive: CONSECUTIVE,
  rate: {
    ...PENALTIES,
    'balancer.linkerd.io/failure-accrual': 'unified',
    'balancer.linkerd.io/failure-accrual-consecutive-max-failures': '0',
    'balancer.alpha.linkerd.io/failure-accrual-success-rate-threshold': '0.8',
    'balancer.alpha.linkerd.io/failure-accrual-success-rate-window': '2s',
    'balancer.alpha.linkerd.io/failure-accrual-success-rate-min-requests': String(MIN_REQUESTS),
  },
  floor: { ...CONSECUTIVE, 'balancer.weft.dev/failure-accrual-min-ready-endpoints': '2' },
}
type Service = keyof typeof SERVICES

test('circuits', { skip: cannotRun }, async (t) => {
  const mesh = await startMesh(t, {
    manifests: [
      namespace(NS, true),
      ...server({ name: 'app', namespace: NS, replicas: 3 }),
      ...Object.entries(SERVICES).map(([name, annotations]) => serviceOf(name, NS, 'app', annotations)),
      ...client({ name: 'client', namespace: NS }),
    ],
  })
  const agent = mesh.agent(NS, 'client')
  const pods = (await mesh.ready(NS, 'app', 3)).map(({ metadata, status }) => ({
    name: metadata.name,
    ip: status.podIP,
  }))
  const [sick] = pods
  /** @returns how often the pod has answered as its mood was until now */
  const mood = async ({ ip }: { readonly ip: string }, be?: string) => {
    const query = be === undefined ? '' : `?be=${be}`
    const { body } = await agent.call('http', { url: `http://${ip}:${TestPort.http}/mood${query}` })
    return (JSON.parse(body) as { answered: number }).answered
  }

  await t.test('without a breaker a third of all requests meets the pod that fails', async (t) => {
    await mood(sick!, '503')
    const { failed } = await LOADS['HTTP/1'](agent, 'none', COUNT)
    t.ok(failed > COUNT / 6, `${failed} of ${COUNT} failed`)
  })

  for (const [name, load] of Object.entries(LOADS)) {
    const cases = [
      { to: 'consecutive', be: '503', met: MAX_FAILURES, what: 'failures in a row' },
      // Every second one fails, so that there are never two in a row.
      { to: 'rate', be: '503,200', met: MIN_REQUESTS, what: 'too few successes' },
    ] as const
    for (const { to, be, met, what } of cases) {
      await t.test(`${name}: ${what} open it, and a probe closes it`, async (t) => {
        await mood(sick!, '200')
        await reaches(agent, load, to, sick!.name)
        await mood(sick!, be)
        const startedAtMs = Date.now()
        const { succeeded, failed, byPod } = await load(agent, to, COUNT)
        const probes = Math.ceil((Date.now() - startedAtMs) / PENALTY_MS)
        const answered = await mood(sick!)
        // Of those in flight when it opens, some are on their way to the sick pod. A success of half a mood closes it,
        // and it is found out once more.
        const most = be === '503' ? met + CONCURRENCY + probes : (met + CONCURRENCY + 1) * (1 + Math.ceil(probes / 2))
        t.ok(answered <= most, `it got ${answered} requests until it opened, with ${probes} probes`)
        t.ok(failed <= answered && failed > 0, `${failed} failed`)
        t.equal(succeeded + failed, COUNT)
        const healthy = pods.slice(1).reduce((sum, pod) => sum + (byPod[pod.name] ?? 0), 0)
        t.equal(healthy, COUNT - answered, 'the others got the rest')
        await mood(sick!, '200')
        await reaches(agent, load, to, sick!.name)
        const after = await load(agent, to, COUNT)
        t.equal(after.failed, 0, 'then nothing fails, and the pod that has recovered is used again')
      })
    }
  }

  await t.test('a floor of endpoints stays, however they fail', async (t) => {
    for (const pod of pods) await mood(pod, '503')
    let asked = 0
    // Also when the penalty of the one that may be taken out is over, and its probe fails.
    for (const endMs = Date.now() + 3 * PENALTY_MS; Date.now() < endMs; asked += COUNT) {
      const { failed } = await LOADS['HTTP/1'](agent, 'floor', COUNT)
      t.equal(failed, COUNT)
    }
    const answered = await Promise.all(pods.map((pod) => mood(pod)))
    const met = answered.reduce((sum, each) => sum + each, 0)
    t.equal(met, asked, `a pod has answered each request, and not the proxy: ${answered}`)
  })

  await t.test('without a floor all may open, and one probe brings back each', async (t) => {
    for (const pod of pods) await mood(pod, '503')
    const { failed } = await LOADS['HTTP/1'](agent, 'consecutive', 10)
    t.equal(failed, 10)
    for (const pod of pods) await mood(pod, '200')
    for (const pod of pods) await reaches(agent, LOADS['HTTP/1'], 'consecutive', pod.name)
    const report = await LOADS['HTTP/1'](agent, 'consecutive', COUNT)
    t.match(report, { failed: 0, failures: [] })
  })
})

type Load = (agent: Agent, to: Service, count: number) => ReturnType<typeof manyHttp>

const manyHttp = (agent: Agent, to: Service, count: number) =>
  agent.call('manyHttp', { url: `http://${to}.${NS}:${TestPort.http}/moody`, count, concurrency: CONCURRENCY })

const LOADS = {
  'HTTP/1': manyHttp,
  gRPC: (agent: Agent, to: Service, count: number) =>
    agent.call('grpcCalls', {
      target: `${to}.${NS}:${TestPort.grpc}`,
      method: 'unary',
      count,
      concurrency: CONCURRENCY,
      request: { text: 'moody' },
    }),
} as const

/** Waits until requests to a service are answered by this pod too. */
async function reaches(agent: Agent, load: Load, to: Service, pod: string): Promise<void> {
  await until(`${pod} answers for ${to}`, async () => ((await load(agent, to, 30)).byPod[pod] ?? 0) > 0)
}
