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
  const statusOf = async (agent: Agent) => {
    const { status } = await agent.call('http', { url: `http://web.meshed:${TestPort.http}/who` })
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
})
