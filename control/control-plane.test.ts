/** The control plane over real sockets, as a proxy meets it. */
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import type { ClientReadableStream } from '@grpc/grpc-js'
import { status } from '@grpc/grpc-js'
import pino from 'pino'
import { type Test, test } from 'tap'
import { Destination, type DestinationProfile, type Update } from '../api/gen/destination_pb.js'
import { Identity } from '../api/gen/identity_pb.js'
import { InboundServerPolicies } from '../api/gen/inbound_pb.js'
import { OutboundPolicies } from '../api/gen/outbound_pb.js'
import { createClient } from '../api/grpc.ts'
import { formatSocketAddress, ipToMessage, type SocketAddress } from '../api/ip.ts'
import { pod, policyObject, profile, service, slice } from './cluster/fixtures.ts'
import { type ControlPlaneOptions, startControlPlane } from './control-plane.ts'
import { LocalTokens } from './identity/local-tokens.ts'
import { generateIssuer } from './identity/model/generate.ts'
import { loadIssuer } from './identity/model/issuer.ts'
import { Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from './identity/model/x509.ts'
import { MemoryStore } from './resources/store.ts'

const WEB_ID = 'web.shop.serviceaccount.identity.linkerd.cluster.local'
const WORKLOAD = '{"ns":"shop", "pod":"web-1"}\n'
const LISTEN = { destination: '127.0.0.1:0', policy: '127.0.0.1:0', identity: '127.0.0.1:0' }
/** Only a bug takes longer, however busy the machine is; how prompt changes are is measured in bench/control. */
const PATIENCE_MS = 20_000

const web = service({ name: 'web', clusterIP: '10.96.0.1' })
const pods = [1, 2, 3].map((n) => pod({ name: `web-${n}`, ip: `10.0.0.${n}` }))
const slices = (...numbers: readonly number[]) =>
  slice({ service: 'web', pods: Object.fromEntries(numbers.map((n) => [`web-${n}`, `10.0.0.${n}`])) })

/** Counts what is read of policies: each computation of a view reads something. */
class CountingStore extends MemoryStore {
  reads = 0
  override list: MemoryStore['list'] = (kind) => {
    this.reads++
    return super.list(kind)
  }
  override get: MemoryStore['get'] = (kind, namespace, name) => {
    this.reads++
    return super.get(kind, namespace, name)
  }
}

async function start(t: Test, options: Partial<ControlPlaneOptions> = {}) {
  const store = new CountingStore()
  store.apply([web, ...pods, slices()])
  const tokens = await LocalTokens.generate()
  const plane = await startControlPlane({
    store,
    tokens,
    log: pino({ level: 'silent' }),
    issuer: () => undefined,
    listen: LISTEN,
    graceMs: 100,
    ...options,
  })
  t.teardown(() => plane.close())
  const { addresses } = plane
  const connect = <C extends { close(): void }>(open: (address: string) => C, address: SocketAddress): C => {
    const client = open(formatSocketAddress(address))
    t.teardown(() => client.close())
    return client
  }
  return {
    plane,
    store,
    tokens,
    destination: connect((address) => createClient(Destination, address), addresses.destination),
    inbound: connect((address) => createClient(InboundServerPolicies, address), addresses.policy),
    outbound: connect((address) => createClient(OutboundPolicies, address), addresses.policy),
    identity: connect((address) => createClient(Identity, address), addresses.identity),
  }
}

/** The next message of a stream; fails when it does not come in time. */
async function next<T>(stream: ClientReadableStream<T>): Promise<T> {
  const [message] = await once(stream, 'data', { signal: AbortSignal.timeout(PATIENCE_MS) })
  return message as T
}

function describe({ update }: Update): string {
  switch (update.case) {
    case 'add':
      return `add ${update.value.addrs.map(({ addr }) => Number(addr?.ip?.ip.value) & 255)}`
    case 'remove':
      return `remove ${update.value.addrs.map(({ ip }) => Number(ip?.ip.value) & 255)}`
    default:
      return `none, exists ${update.value?.exists}`
  }
}

function endOf(stream: ClientReadableStream<unknown>): Promise<status> {
  return new Promise((resolve) => {
    stream.on('error', () => {})
    stream.on('data', () => {})
    stream.on('status', ({ code }) => resolve(code))
  })
}

test('endpoints come and go on the stream', async (t) => {
  const { destination, store } = await start(t)
  const stream = destination.get({ path: 'web.shop.svc.cluster.local:80', contextToken: '{"ns":"shop"}' })
  stream.on('error', () => {})
  t.equal(describe(await next(stream)), 'none, exists true', 'at once, although there is none')
  for (const [numbers, expected] of [
    [[1, 2], 'add 1,2'],
    [[1, 2, 3], 'add 3'],
    [[1, 3], 'remove 2'],
    [[], 'none, exists true'],
  ] as const) {
    const message = next(stream)
    store.apply([slices(...numbers)])
    t.equal(describe(await message), expected)
  }
  stream.cancel()
})

test('batches within one turn arrive as one change', async (t) => {
  const { destination, store } = await start(t)
  const stream = destination.get({ path: 'web.shop.svc.cluster.local:80' })
  stream.on('error', () => {})
  await next(stream)
  const message = next(stream)
  for (const numbers of [[1], [1, 2], [2], [2, 3]]) store.apply([slices(...numbers)])
  t.equal(describe(await message), 'add 2,3')
  stream.cancel()
})

test('profile changes are seen', async (t) => {
  const { destination, store } = await start(t)
  const stream = destination.getProfile({ path: '10.96.0.1:80', contextToken: '{"ns":"shop"}' })
  stream.on('error', () => {})
  t.same((await next<DestinationProfile>(stream)).routes, [])
  const changed = next<DestinationProfile>(stream)
  store.apply([
    profile('web.shop.svc.cluster.local', 'shop', { routes: [{ name: 'r', condition: { method: 'GET' } }] }),
  ])
  t.same(
    (await changed).routes.map(({ metricsLabels }) => metricsLabels.route),
    ['r'],
  )
  const gone = next<DestinationProfile>(stream)
  store.delete([{ kind: 'ServiceProfile', namespace: 'shop', name: 'web.shop.svc.cluster.local' }])
  t.same((await gone).routes, [])
  stream.cancel()
})

test('a slow client gets the latest state, not every state', async (t) => {
  const { destination, store } = await start(t)
  // Large enough that a few states fill every window on the way.
  const many = Array.from({ length: 250 }, (_, n) => `10.0.${1 + (n >> 7)}.${n & 127}`)
  store.apply(many.map((ip, n) => pod({ name: `many-${n}`, ip })))
  const everyone = Object.fromEntries(many.map((ip, n) => [`many-${n}`, ip]))
  const stream = destination.get({ path: 'web.shop.svc.cluster.local:80' })
  stream.on('error', () => {})
  t.equal(describe(await next(stream)), 'none, exists true')
  stream.pause()

  const ROUNDS = 100
  for (let round = 1; round <= ROUNDS; round++) {
    store.apply([slice({ service: 'web', pods: everyone, ports: [{ name: '', port: 8000 + round }] })])
    await new Promise((resolve) => setImmediate(resolve))
  }
  let messages = 0
  const ports = new Set<number>()
  await new Promise<void>((resolve) => {
    stream.on('data', ({ update }: Update) => {
      messages += 1
      if (update.case === 'add') for (const { addr } of update.value.addrs) ports.add(addr?.port ?? 0)
      if (update.case === 'remove') for (const { port } of update.value.addrs) ports.delete(port)
      if (ports.has(8000 + ROUNDS) && ports.size === 1) resolve()
    })
    stream.resume()
  })
  t.ok(messages < ROUNDS / 2, `${messages} messages for ${ROUNDS} changes of two messages each`)
  stream.cancel()
})

test('requests that discovery refuses', async (t) => {
  const { destination, store } = await start(t)
  store.apply([
    service({ name: 'out', clusterIP: '', ports: [], spec: { type: 'ExternalName', externalName: 'example.com' } }),
  ])
  const { INVALID_ARGUMENT, NOT_FOUND, UNKNOWN } = status
  const cases = [
    { name: 'Get: no port', call: destination.get({ path: 'web.shop.svc.cluster.local:0' }), code: INVALID_ARGUMENT },
    { name: 'Get: an address', call: destination.get({ path: '10.96.0.1:80' }), code: INVALID_ARGUMENT },
    { name: 'Get: a foreign name', call: destination.get({ path: 'example.com:80' }), code: INVALID_ARGUMENT },
    {
      name: 'Get: an unknown service',
      call: destination.get({ path: 'api.shop.svc.cluster.local:80' }),
      code: NOT_FOUND,
    },
    {
      name: 'Get: an ExternalName',
      call: destination.get({ path: 'out.shop.svc.cluster.local:80' }),
      code: INVALID_ARGUMENT,
    },
    { name: 'GetProfile: no host', call: destination.getProfile({ path: ':80' }), code: INVALID_ARGUMENT },
    {
      name: 'GetProfile: an unknown service',
      call: destination.getProfile({ path: 'api.shop.svc.cluster.local:80' }),
      code: UNKNOWN,
    },
  ]
  for (const { name, call, code } of cases) t.equal(status[await endOf(call)], status[code], name)
})

test('policies of both sides, and what becomes of their targets', async (t) => {
  const { inbound, outbound, store } = await start(t)
  const addr = { case: 'addr', value: { ip: ipToMessage('10.96.0.1'), port: 80 } } as const
  t.equal((await outbound.get({ sourceWorkload: WORKLOAD, target: addr })).protocol?.kind.case, 'detect')
  t.equal((await inbound.getPort({ workload: 'shop:web-1', port: 8080 })).labels.name, 'all-unauthenticated')
  const { INVALID_ARGUMENT, NOT_FOUND, OK } = status
  await t.rejects(outbound.get({ sourceWorkload: WORKLOAD }), { code: INVALID_ARGUMENT })
  await t.rejects(outbound.get({ sourceWorkload: 'web', target: addr }), { code: INVALID_ARGUMENT })
  await t.rejects(outbound.get({ sourceWorkload: WORKLOAD, target: { case: 'addr', value: { port: 80 } } }), {
    code: INVALID_ARGUMENT,
  })
  await t.rejects(outbound.get({ sourceWorkload: WORKLOAD, target: { case: 'authority', value: 'example.com' } }), {
    code: NOT_FOUND,
  })
  await t.rejects(inbound.getPort({ workload: WORKLOAD, port: 0 }), { code: INVALID_ARGUMENT })
  await t.rejects(inbound.getPort({ workload: '{"ns":"shop","pod":"nobody"}', port: 80 }), { code: NOT_FOUND })

  const watch = outbound.watch({ sourceWorkload: WORKLOAD, target: addr })
  watch.on('error', () => {})
  t.equal((await next(watch)).protocol?.kind.case, 'detect')
  const opaque = next(watch)
  store.apply([
    service({ name: 'web', clusterIP: '10.96.0.1', annotations: { 'config.linkerd.io/opaque-ports': '80' } }),
  ])
  t.equal((await opaque).protocol?.kind.case, 'opaque')
  const ended = endOf(watch)
  store.delete([{ kind: 'Service', namespace: 'shop', name: 'web' }])
  t.equal(await ended, OK, 'a service that goes away ends the stream, so that the proxy looks again')

  const port = inbound.watchPort({ workload: WORKLOAD, port: 8080 })
  port.on('error', () => {})
  t.equal((await next(port)).protocol?.kind.case, 'detect')
  const strict = next(port)
  store.apply([
    pod({ name: 'web-1', ip: '10.0.0.1', annotations: { 'config.linkerd.io/default-inbound-policy': 'deny' } }),
  ])
  t.same((await strict).authorizations, [])
  const portEnded = endOf(port)
  store.delete([{ kind: 'Pod', namespace: 'shop', name: 'web-1' }])
  t.equal(await portEnded, OK)
})

test('certificates over the wire', async (t) => {
  const generated = await generateIssuer({
    controlPlaneNs: 'linkerd',
    trustDomain: 'cluster.local',
    nowMs: Date.now(),
    lifetimeMs: 3_600_000,
    clockSkewMs: 0,
  })
  const issuer = await loadIssuer(
    {
      certificate: { pem: generated.certificatePem, from: 'generated' },
      privateKey: { pem: generated.privateKeyPem, from: 'generated' },
      anchors: { pem: generated.anchorsPem, from: 'generated' },
    },
    Date.now(),
  )
  const { identity, tokens } = await start(t, { issuer: () => issuer })
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
  const csr = await Pkcs10CertificateRequestGenerator.create({
    name: `CN=${WEB_ID}`,
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [new SubjectAlternativeNameExtension([{ type: 'dns', value: WEB_ID }])],
  })
  const request = async (options: { tokens: LocalTokens }, serviceAccount = 'web') => ({
    identity: WEB_ID,
    token: Buffer.from(await options.tokens.issue({ namespace: 'shop', serviceAccount, pod: 'web-1' })),
    certificateSigningRequest: new Uint8Array(csr.rawData),
  })
  // `start` made these tokens' key and gave it to the control plane.
  const response = await identity.certify(await request({ tokens }))
  t.ok(response.leafCertificate.length > 0)
  await t.rejects(identity.certify(await request({ tokens }, 'api')), { code: status.FAILED_PRECONDITION })
  await t.rejects(identity.certify(await request({ tokens: await LocalTokens.generate() })), {
    code: status.FAILED_PRECONDITION,
  })
  const without = await start(t)
  await t.rejects(without.identity.certify(await request(without)), { code: status.UNAVAILABLE })
})

test('a status that is written makes no view anew, an edit does', async (t) => {
  const { outbound, inbound, destination, store } = await start(t)
  const route = (hostname: string) =>
    policyObject(
      'HTTPRoute',
      'r',
      `{ parentRefs: [{ name: web, kind: Service, group: "" }], hostnames: [${hostname}] }`,
    )
  store.apply([route('a.example')])
  const target = { case: 'authority', value: 'web.shop.svc.cluster.local:80' } as const
  const watched = outbound.watch({ sourceWorkload: WORKLOAD, target })
  const streams: readonly ClientReadableStream<unknown>[] = [
    watched,
    inbound.watchPort({ workload: WORKLOAD, port: 8080 }),
    destination.get({ path: 'web.shop.svc.cluster.local:80' }),
    destination.getProfile({ path: '10.96.0.1:80' }),
  ]
  for (const stream of streams) stream.on('error', () => {})
  await Promise.all(streams.map(next))
  const before = store.reads
  for (const hostname of ['a', 'b', 'c']) {
    store.applyStatus({ kind: 'HTTPRoute', namespace: 'shop', name: 'r' }, { parents: [], hostname })
    await turn()
  }
  t.equal(store.reads, before, 'nothing is read')
  const edited = next(watched)
  store.apply([route('b.example')])
  await edited
  t.ok(store.reads > before)
  for (const stream of streams) stream.cancel()
})

test('closing ends watches with OK and frees the ports', async (t) => {
  const { plane, destination, inbound } = await start(t)
  const streams = [
    destination.get({ path: 'web.shop.svc.cluster.local:80' }),
    destination.getProfile({ path: '10.96.0.1:80' }),
    inbound.watchPort({ workload: WORKLOAD, port: 8080 }),
  ]
  await Promise.all(streams.map((stream) => once(stream as ClientReadableStream<unknown>, 'data')))
  const ends = streams.map(endOf)
  await plane.close()
  t.same(await Promise.all(ends), [status.OK, status.OK, status.OK])
})

test('an address that cannot be used is told in one sentence', async (t) => {
  const { plane, store, tokens } = await start(t)
  const options = { store, tokens, log: pino({ level: 'silent' }), issuer: () => undefined }
  const taken = formatSocketAddress(plane.addresses.policy)
  await t.rejects(startControlPlane({ ...options, listen: { ...LISTEN, policy: taken } }), {
    name: 'ListenError',
    message: new RegExp(`cannot listen on ${taken}: another process uses this port; .* --policy-addr`),
  })
  await t.rejects(startControlPlane({ ...options, listen: { ...LISTEN, identity: 'localhost' } }), {
    message: /--identity-addr: "localhost" is not an address/,
  })
})
