/**
 * Who gets in, with real proxies on both sides: default policies × policies of the port × policies of a route × clients. What
 * is expected is the sum of three tables, since each of them can only add to whom the others admit.
 */
import { test } from 'tap'
import type { Agent } from './agent.ts'
import { TestPort } from './app/grpc-echo.ts'
import { cannotRun, metric, startMesh, until } from './cluster.ts'
import { client, type Manifest, namespace, server } from './manifests.ts'

/** A client by the letter of its name: friend, other, stranger (who is not meshed). */
type Clients = '' | 'f' | 'fo' | 'fos'

const DEFAULTS: readonly { readonly policy: string; readonly admits: Clients }[] = [
  { policy: 'deny', admits: '' },
  { policy: 'all-authenticated', admits: 'fo' },
  { policy: 'cluster-authenticated', admits: 'fo' },
  { policy: 'all-unauthenticated', admits: 'fos' },
  { policy: 'cluster-unauthenticated', admits: 'fos' },
  { policy: 'audit', admits: 'fos' },
]

/** What an AuthorizationPolicy may ask for. */
const POLICIES: readonly {
  readonly name: string
  readonly refs: readonly string[] | undefined
  readonly admits: Clients
}[] = [
  { name: 'none', refs: undefined, admits: '' },
  { name: 'identity', refs: ['friends'], admits: 'f' },
  { name: 'network', refs: ['pods'], admits: 'fos' },
  { name: 'wrong-network', refs: ['elsewhere'], admits: '' },
  { name: 'identity-and-network', refs: ['friends', 'pods'], admits: 'f' },
  { name: 'identity-and-wrong-network', refs: ['friends', 'elsewhere'], admits: '' },
]

const GROUP = 'policy.linkerd.io'
const policy = (kind: string, name: string, spec: object, version = 'v1alpha1'): Manifest => ({
  apiVersion: `${GROUP}/${version}`,
  kind,
  metadata: { name, namespace: 'meshed' },
  spec,
})
const KINDS: Readonly<Record<string, string>> = {
  friends: 'MeshTLSAuthentication',
  pods: 'NetworkAuthentication',
  elsewhere: 'NetworkAuthentication',
}
const admitting = (name: string, kind: string, target: string, refs: readonly string[]) =>
  policy('AuthorizationPolicy', name, {
    targetRef: { group: GROUP, kind, name: target },
    requiredAuthenticationRefs: refs.map((ref) => ({ group: GROUP, kind: KINDS[ref], name: ref })),
  })
const serverOf = (name: string, port: number, accessPolicy: string, proxyProtocol: string) =>
  policy('Server', name, { podSelector: { matchLabels: { app: 'web' } }, port, accessPolicy, proxyProtocol }, 'v1beta3')
const route = (name: string, match: object, filters: readonly object[] = []) =>
  policy(
    'HTTPRoute',
    name,
    { parentRefs: [{ group: GROUP, kind: 'Server', name: 'web-http' }], rules: [{ matches: [match], filters }] },
    'v1beta3',
  )

/** A route for each policy of routes, chosen by a header. None is about the path of the server's health check. */
const ROUTES = POLICIES.flatMap(({ name, refs }) => [
  route(name, { path: { type: 'Exact', value: '/who' }, headers: [{ name: 'x-route', value: name }] }),
  ...(refs === undefined ? [] : [admitting(`route-${name}`, 'HTTPRoute', name, refs)]),
])

/** Answers everybody who asks for `row` once everything that was applied with it holds. */
const marker = (row: number) =>
  route('marker', { path: { type: 'Exact', value: `/row-${row}` } }, [
    { type: 'RequestRedirect', requestRedirect: { hostname: 'here', statusCode: 302 } },
  ])

test('authorization matrix', { skip: cannotRun }, async (t) => {
  const mesh = await startMesh(t, {
    manifests: [
      namespace('meshed', true),
      namespace('plain', false),
      ...server({ name: 'web', namespace: 'meshed' }),
      ...client({ name: 'friend', namespace: 'meshed' }),
      ...client({ name: 'other', namespace: 'meshed' }),
      ...client({ name: 'stranger', namespace: 'plain' }),
      policy('MeshTLSAuthentication', 'friends', { identityRefs: [{ kind: 'ServiceAccount', name: 'friend' }] }),
      policy('NetworkAuthentication', 'pods', { networks: [{ cidr: '0.0.0.0/0' }, { cidr: '::/0' }] }),
      policy('NetworkAuthentication', 'elsewhere', { networks: [{ cidr: '192.0.2.0/24' }] }),
      ...ROUTES,
      admitting('route-marker', 'HTTPRoute', 'marker', ['pods']),
    ],
  })
  const agents: readonly (readonly [letter: 'f' | 'o' | 's', agent: Agent])[] = [
    ['f', mesh.agent('meshed', 'friend')],
    ['o', mesh.agent('meshed', 'other')],
    ['s', mesh.agent('plain', 'stranger')],
  ]
  const ask = (agent: Agent, path: string, headers: Readonly<Record<string, string>> = {}) =>
    agent.call('http', { url: `http://web.meshed:${TestPort.http}${path}`, headers }).then(({ status }) => status)
  const bytesPass = (agent: Agent) =>
    agent.call('opaqueExchange', { host: 'web.meshed', port: TestPort.serverFirst, send: 'hello' }).then(
      () => true,
      () => false,
    )

  let row = 0
  for (const { policy: accessPolicy, admits: byDefault } of DEFAULTS) {
    for (const { name, refs, admits: byPort } of POLICIES) {
      row++
      const onPorts = refs ?? ['elsewhere']
      await mesh.apply([
        serverOf('web-http', TestPort.http, accessPolicy, 'HTTP/1'),
        serverOf('web-bytes', TestPort.serverFirst, accessPolicy, 'opaque'),
        admitting('port-http', 'Server', 'web-http', onPorts),
        admitting('port-bytes', 'Server', 'web-bytes', onPorts),
        marker(row),
      ])
      await until(`row ${row} holds`, async () => (await ask(agents[2]![1], `/row-${row}`)) === 302)
      const at = `${accessPolicy}, at the port ${name}`
      const expected: Record<string, string> = {}
      const found: Record<string, string> = {}
      const byPortOrDefault = (letter: string) => byDefault.includes(letter) || byPort.includes(letter)
      for (const { name: onRoute, admits } of POLICIES) {
        const statuses = await Promise.all(
          agents.map(async ([letter, agent]) => `${letter} ${await ask(agent, '/who', { 'x-route': onRoute })}`),
        )
        found[onRoute] = statuses.join()
        expected[onRoute] = agents
          .map(([letter]) => `${letter} ${byPortOrDefault(letter) || admits.includes(letter) ? 200 : 403}`)
          .join()
      }
      t.same(found, expected, at)
      for (const [letter, agent] of agents) {
        await until(`${at}: bytes of ${letter}`, async () => (await bytesPass(agent)) === byPortOrDefault(letter))
      }
    }
  }

  // The last rows were those of audit.
  const podIp = (await mesh.onePod('meshed', 'web')).status?.podIP ?? ''
  const allowed = (name: string, labels: string) => metric(agents[2]![1], podIp, name, labels)
  for (const name of ['inbound_http_authz_allow_total', 'inbound_tcp_authz_allow_total']) {
    t.ok((await allowed(name, 'authz_name="audit",tls="no_identity"')) > 0, `${name} counts whom only audit admitted`)
    t.equal(
      await allowed(name, 'authz_group="policy.linkerd.io",authz_kind="authorizationpolicy",authz_name="audit"'),
      0,
    )
  }
})
