/** What a proxy hears on its stream while objects come, change and go: through the real API. */
import { once } from 'node:events'
import pino from 'pino'
import { type Test, test } from 'tap'
import { InboundServerPolicies, type Server } from '../../api/gen/inbound_pb.js'
import { createClient } from '../../api/grpc.ts'
import { formatSocketAddress } from '../../api/ip.ts'
import type { Kind } from '../../api/resources/kinds.ts'
import { manifest, pod, storeOf } from '../cluster/fixtures.ts'
import { startControlPlane } from '../control-plane.ts'
import { LocalTokens } from '../identity/local-tokens.ts'
import { describeServer } from './inbound-testing.ts'

const LISTEN = { destination: '127.0.0.1:0', policy: '127.0.0.1:0', identity: '127.0.0.1:0' }

const server = (
  name: string,
  created: string,
  spec = '{ podSelector: { matchLabels: { app: web } }, port: 8080 }',
) => `---
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: { name: ${name}, namespace: shop, creationTimestamp: "${created}" }
spec: ${spec}
`
const object = (kind: string, name: string, spec: string) => `---
apiVersion: policy.linkerd.io/v1alpha1
kind: ${kind}
metadata: { name: ${name}, namespace: shop }
spec: ${spec}
`
const onWeb = (refs: string) =>
  `{ targetRef: { group: policy.linkerd.io, kind: Server, name: web }, requiredAuthenticationRefs: ${refs} }`
const web = (app: string) => pod({ name: 'web-1', ip: '10.0.0.1', labels: { app } })

/** Opens the stream of port 8080; every `change` waits for the next message and says it in one line. */
async function watch(t: Test) {
  const store = storeOf(web('web'))
  const plane = await startControlPlane({
    store,
    tokens: await LocalTokens.generate(),
    log: pino({ level: 'silent' }),
    issuer: () => undefined,
    listen: LISTEN,
    graceMs: 100,
  })
  t.teardown(() => plane.close())
  const client = createClient(InboundServerPolicies, formatSocketAddress(plane.addresses.policy))
  t.teardown(() => client.close())
  const stream = client.watchPort({ workload: '{"ns":"shop","pod":"web-1"}', port: 8080 })
  stream.on('error', () => {})
  t.teardown(() => stream.cancel())
  const next = async () => {
    const [message] = await once(stream, 'data', { signal: AbortSignal.timeout(10_000) })
    const { server, protocol, allows, routes } = describeServer(message as Server)
    const named = routes.map(({ route, rules }) => `${route} ${rules.join('; ')}`)
    return [server.replace('policy.linkerd.io ', ''), protocol, ...allows, ...named].join(' | ')
  }
  return {
    next,
    async change(yaml: string) {
      const message = next()
      store.apply(manifest(yaml))
      return message
    },
    async remove(kind: Kind, name: string) {
      const message = next()
      store.delete([{ kind, namespace: 'shop', name }])
      return message
    },
    /** A change after which no message may come: whatever comes next is the answer to a later one. */
    silently: (yaml: string) => store.apply(manifest(yaml)),
    async relabel(app: string) {
      const message = next()
      store.apply([web(app)])
      return message
    },
  }
}

const ROUTE = 'default default /'
const DEFAULT = `default all-unauthenticated | detect | default all-unauthenticated: anyone | ${ROUTE}`
const GRANT = 'policy.linkerd.io authorizationpolicy'
const ID = 'cart.shop.serviceaccount.identity.linkerd.cluster.local'

test('a Server appears, an older one takes its port, and both go', async (t) => {
  const { next, change, silently, remove } = await watch(t)
  t.equal(await next(), DEFAULT)
  t.equal(await change(server('young', '2026-01-02T00:00:00Z')), `server young | detect | ${ROUTE}`)
  silently(server('younger', '2026-01-03T00:00:00Z'))
  silently(server('other', '2026-01-01T00:00:00Z', '{ podSelector: {}, port: 9090 }'))
  t.equal(await change(server('old', '2026-01-01T00:00:00Z')), `server old | detect | ${ROUTE}`)
  const changed = server('old', '', '{ podSelector: {}, port: 8080, proxyProtocol: HTTP/2, accessPolicy: audit }')
  t.equal(await change(changed), `server old | http2 | default audit: anyone | ${ROUTE}`)
  t.equal(await remove('Server', 'old'), `server young | detect | ${ROUTE}`)
  t.equal(await remove('Server', 'young'), `server younger | detect | ${ROUTE}`)
  t.equal(await remove('Server', 'younger'), DEFAULT)
})

test('a policy whose authentication comes later, and changes', async (t) => {
  const { next, change, silently, remove } = await watch(t)
  const SERVER = 'server web | detect'
  t.equal(await next(), DEFAULT)
  t.equal(await change(server('web', '2026-01-01T00:00:00Z')), `${SERVER} | ${ROUTE}`)
  silently(
    object('AuthorizationPolicy', 'p', onWeb('[{ group: policy.linkerd.io, kind: MeshTLSAuthentication, name: m }]')),
  )
  const cart = object('MeshTLSAuthentication', 'm', '{ identityRefs: [{ kind: ServiceAccount, name: cart }] }')
  t.equal(await change(cart), `${SERVER} | ${GRANT} p: ${ID} | ${ROUTE}`)
  const all = object('MeshTLSAuthentication', 'm', '{ identities: ["*"] }')
  t.equal(await change(all), `${SERVER} | ${GRANT} p: * | ${ROUTE}`)
  silently(object('MeshTLSAuthentication', 'unused', '{ identities: ["*"] }'))
  t.equal(await remove('MeshTLSAuthentication', 'm'), `${SERVER} | ${ROUTE}`)
})

test('a policy of the namespace, and routes', async (t) => {
  const { next, change, silently, remove } = await watch(t)
  const everybody = object(
    'AuthorizationPolicy',
    'ns',
    '{ targetRef: { kind: Namespace, name: shop }, requiredAuthenticationRefs: [] }',
  )
  t.equal(await next(), DEFAULT)
  silently(everybody)
  const SERVER = `server web | detect | ${GRANT} ns: anyone`
  t.equal(await change(server('web', '2026-01-01T00:00:00Z')), `${SERVER} | ${ROUTE}`)
  const route = `---
apiVersion: policy.linkerd.io/v1beta3
kind: HTTPRoute
metadata: { name: api, namespace: shop }
spec:
  parentRefs: [{ group: policy.linkerd.io, kind: Server, name: web }]
  rules: [{ matches: [{ path: { value: /api } }] }]
`
  t.equal(await change(route), `${SERVER} | policy.linkerd.io HTTPRoute api /api`)
  t.equal(
    await change(server('web', '', '{ podSelector: {}, port: 8080, proxyProtocol: opaque }')),
    `server web | opaque | ${GRANT} ns: anyone`,
  )
  t.equal(await remove('Server', 'web'), DEFAULT)
})

test('the labels of the pod decide', async (t) => {
  const { next, change, relabel } = await watch(t)
  t.equal(await next(), DEFAULT)
  t.equal(await change(server('web', '2026-01-01T00:00:00Z')), `server web | detect | ${ROUTE}`)
  t.equal(await relabel('db'), DEFAULT)
  t.equal(await relabel('web'), `server web | detect | ${ROUTE}`)
  const namespace = `---
apiVersion: v1
kind: Namespace
metadata: { name: shop, annotations: { config.linkerd.io/default-inbound-policy: deny } }
`
  t.equal(await relabel('db'), DEFAULT)
  t.equal(await change(namespace), `default deny | detect | ${ROUTE}`)
})
