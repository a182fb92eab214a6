/** Who may use a port, with real proxies on both sides: Servers and what admits to them. */
import { test } from 'tap'
import type { Agent } from './agent.ts'
import { TestPort } from './app/grpc-echo.ts'
import { cannotRun, startMesh, until } from './cluster.ts'
import { client, type Manifest, namespace, server } from './manifests.ts'

const policy = (kind: string, name: string, spec: object, version = 'v1alpha1'): Manifest => ({
  apiVersion: `policy.linkerd.io/${version}`,
  kind,
  metadata: { name, namespace: 'meshed' },
  spec,
})
const serverOf = (name: string, port: number, more: object = {}) =>
  policy('Server', name, { podSelector: { matchLabels: { app: 'web' } }, port, ...more }, 'v1beta3')
const admitting = (names: readonly string[]) =>
  policy('MeshTLSAuthentication', 'friends', {
    identityRefs: names.map((name) => ({ kind: 'ServiceAccount', name })),
  })

const route = (name: string, path: string) =>
  policy(
    'HTTPRoute',
    name,
    {
      parentRefs: [{ group: 'policy.linkerd.io', kind: 'Server', name: 'web-http' }],
      rules: [{ matches: [{ path: { type: 'PathPrefix', value: path } }] }],
    },
    'v1beta3',
  )

test('authorization', { skip: cannotRun }, async (t) => {
  const mesh = await startMesh(t, {
    manifests: [
      namespace('meshed', true),
      namespace('plain', false),
      ...server({ name: 'web', namespace: 'meshed' }),
      ...client({ name: 'friend', namespace: 'meshed' }),
      ...client({ name: 'other', namespace: 'meshed' }),
      ...client({ name: 'stranger', namespace: 'plain' }),
      serverOf('web-http', TestPort.http, { proxyProtocol: 'HTTP/1' }),
      serverOf('web-bytes', TestPort.serverFirst, { proxyProtocol: 'opaque' }),
      policy('AuthorizationPolicy', 'web', {
        targetRef: { kind: 'Namespace', name: 'meshed' },
        requiredAuthenticationRefs: [{ group: 'policy.linkerd.io', kind: 'MeshTLSAuthentication', name: 'friends' }],
      }),
      admitting(['friend']),
    ],
  })
  const [friend, other, stranger] = [
    mesh.agent('meshed', 'friend'),
    mesh.agent('meshed', 'other'),
    mesh.agent('plain', 'stranger'),
  ]
  const statusOf = async (agent: Agent, path = '/who') => {
    const { status } = await agent.call('http', { url: `http://web.meshed:${TestPort.http}${path}` })
    return status
  }
  const bytes = { host: 'web.meshed', port: TestPort.serverFirst, send: 'hello' }

  t.equal(await statusOf(friend), 200, 'the named identity passes')
  t.equal(await statusOf(other), 403, 'another identity is refused')
  t.equal(await statusOf(stranger), 403, 'a client without the mesh is refused')
  t.match(await friend.call('opaqueExchange', bytes), 'hello', 'bytes of the named identity pass')
  await t.rejects(other.call('opaqueExchange', bytes), 'bytes of another identity do not')
  await t.rejects(stranger.call('opaqueExchange', bytes), 'bytes of a client without the mesh do not')
  // The pod of the server is ready all the time, so its health checks pass although nobody admits them.

  await mesh.apply([admitting(['other'])])
  await until('the other identity is admitted', async () => (await statusOf(other)) === 200)
  t.equal(await statusOf(friend), 403, 'and the first one is not any more')
  t.match(await other.call('opaqueExchange', bytes), 'hello')

  const open = policy('AuthorizationPolicy', 'echo', {
    targetRef: { group: 'policy.linkerd.io', kind: 'HTTPRoute', name: 'echo' },
    requiredAuthenticationRefs: [{ group: 'policy.linkerd.io', kind: 'NetworkAuthentication', name: 'everywhere' }],
  })
  await mesh.apply([route('who', '/who'), route('echo', '/echo'), open])
  await until('the routes count', async () => (await statusOf(other, '/elsewhere')) === 404)
  t.equal(await statusOf(friend, '/echo'), 403, 'a policy of a route whose networks do not exist admits nobody')
  const networks = (cidr: string) => policy('NetworkAuthentication', 'everywhere', { networks: [{ cidr }] })
  await mesh.apply([networks('0.0.0.0/0')])
  await until('everybody may use the route', async () => (await statusOf(friend, '/echo')) === 200)
  t.equal(await statusOf(stranger, '/echo'), 200, 'also without the mesh')
  t.equal(await statusOf(other, '/echo'), 200, 'and whom the Server admits')
  t.same([await statusOf(other), await statusOf(friend)], [200, 403], 'the other route is as it was')
  t.equal(await statusOf(stranger, '/ready'), 200, 'the health check, about which no route says anything')
  await mesh.apply([networks('192.0.2.0/24')])
  await until('nobody comes from that network', async () => (await statusOf(friend, '/echo')) === 403)
  t.equal(await statusOf(other, '/echo'), 200, 'whom the Server admits needs no route to do so')
})
