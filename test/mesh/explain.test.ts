/** `weft local explain` with real proxies: what it says is what they then do. */
import { Readable, Writable } from 'node:stream'
import { test } from 'tap'
import type { CommandValues } from '../../cli/command.ts'
import { explain } from '../../cli/commands/local-explain.ts'
import type { Explanation } from '../../proxy/explain/explanation.ts'
import { TestPort } from './app/grpc-echo.ts'
import { cannotRun, type Mesh, startMesh, until } from './cluster.ts'
import { client, type Manifest, namespace, server } from './manifests.ts'

const CANARY: Manifest = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: { name: 'canary', namespace: 'shop' },
  spec: {
    parentRefs: [{ kind: 'Service', group: 'core', name: 'web', port: TestPort.http }],
    rules: [
      {
        matches: [{ path: { type: 'PathPrefix', value: '/old' } }],
        filters: [{ type: 'RequestRedirect', requestRedirect: { hostname: 'other.example', statusCode: 301 } }],
      },
      {
        matches: [{ path: { type: 'PathPrefix', value: '/who' } }],
        backendRefs: [{ name: 'web', port: TestPort.http }],
      },
    ],
  },
}
const POLICY: Manifest = {
  apiVersion: 'policy.linkerd.io/v1beta3',
  kind: 'Server',
  metadata: { name: 'web-http', namespace: 'shop' },
  spec: {
    podSelector: { matchLabels: { app: 'web' } },
    port: TestPort.http,
    proxyProtocol: 'HTTP/1',
    accessPolicy: 'all-authenticated',
  },
}

async function run(mesh: Mesh, positionals: readonly string[], values: CommandValues) {
  const written = { stdout: '', stderr: '' }
  const stream = (name: keyof typeof written) =>
    new Writable({
      write(chunk, _encoding, done) {
        written[name] += String(chunk)
        done()
      },
    })
  const code = await explain.run({
    values: { name: mesh.name, namespace: 'shop', output: 'text', ...values },
    positionals,
    stdin: Readable.from([]),
    stdout: stream('stdout'),
    stderr: stream('stderr'),
  })
  return { code, ...written }
}

test('explanations', { skip: cannotRun }, async (t) => {
  const mesh = await startMesh(t, {
    manifests: [
      namespace('shop', true),
      ...server({ name: 'web', namespace: 'shop' }),
      ...client({ name: 'shopper', namespace: 'shop' }),
    ],
  })
  await mesh.apply([POLICY])
  await mesh.program([CANARY])
  const to = `web:${TestPort.http}`
  const json = async (...[positionals, values]: [readonly string[], CommandValues]): Promise<Explanation> => {
    const { stdout, stderr } = await run(mesh, positionals, { ...values, output: 'json' })
    if (stdout === '') throw new Error(stderr)
    return JSON.parse(stdout) as Explanation
  }

  t.match(await json(['shopper', 'GET /who'], { to }), {
    policy: { isKnown: true, object: { kind: 'Service', name: 'web', namespace: 'shop' } },
    outcome: { action: 'wait' },
    notes: [/no such request yet/],
    rule: {
      route: { kind: 'HTTPRoute', name: 'canary', generation: 1 },
      backends: [{ endpoints: [{ state: 'connecting' }] }],
    },
  })
  const shopper = mesh.agent('shop', 'shopper')
  t.equal((await shopper.call('manyHttp', { url: `http://${to}/who`, count: 3, concurrency: 1 })).failed, 0)
  t.match(
    await json(['deployment/shopper', 'GET /who'], { to: `web.shop:${TestPort.http}` }),
    {
      outcome: { action: 'forward' },
      rule: { backends: [{ ready: 1, endpoints: [{ state: 'ready', latencyMs: Number }] }] },
    },
    'once there was traffic',
  )
  t.match(await json(['shopper', 'GET /old/x'], { to }), {
    outcome: { action: 'answer', status: 301, fields: [['location', /other\.example/]] },
  })
  t.match(await json(['shopper', 'GET /none'], { to }), { outcome: { action: 'answer', status: 404 } })

  const port = String(TestPort.http)
  const identity = 'shopper.shop.serviceaccount.identity.linkerd.cluster.local'
  await until('the proxy holds the Server', async () => {
    const { policy } = await json(['web', 'GET /who'], { port, from: identity })
    return policy.object?.name === 'web-http'
  })
  const allowed = await json(['web', 'GET /who'], { port, from: identity })
  t.match(allowed, {
    policy: { object: { kind: 'server', name: 'web-http', generation: 1 } },
    outcome: { action: 'forward' },
  })
  const denied = await run(mesh, ['web', 'GET /who'], { port, from: 'none' })
  t.match(denied.stdout, /^outcome +answer 403: unauthorized/m)
  t.match(denied.stdout, /- default all-authenticated: it wants any identity; the client has no mesh TLS/)

  const wrong: readonly [readonly string[], CommandValues, number, RegExp][] = [
    [['shopper'], { to }, 2, /^name a pod and a request line/],
    [['shopper', 'GET /'], {}, 2, /^give --to, or --port and --from/],
    [['shopper', 'GET /'], { to, port }, 2, /^--to is about a request that the pod sends/],
    [['shopper', 'GET /'], { to: 'web' }, 2, /^--to web: give/],
    [['shopper', 'GET /'], { to: 'nobody:80' }, 1, /nobody/],
    [['shopper', 'GET /'], { to, output: 'yaml' }, 2, /^--output yaml/],
    [['shopper', 'GET /'], { to, header: ['a: b\nc: d'] }, 2, /is more than one line/],
    [['shopper', 'GET'], { to }, 1, /^the proxy would answer 400/],
    [['nobody', 'GET /'], { to }, 1, /nobody/],
  ]
  for (const [positionals, values, code, is] of wrong)
    t.match(await run(mesh, positionals, values), { code, stderr: is }, String(is))
})
