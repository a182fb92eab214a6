import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { status as Code, Server, ServerCredentials, type ServerWritableStream } from '@grpc/grpc-js'
import { type Test, test } from 'tap'
import {
  Destination,
  type DestinationProfile,
  DestinationProfileSchema,
  type GetDestination,
  type Update,
  UpdateSchema,
} from '../../api/gen/destination_pb.js'
import { CertifyResponseSchema, Identity as IdentityService } from '../../api/gen/identity_pb.js'
import {
  InboundServerPolicies,
  type PortSpec,
  type Server as ServerMessage,
  ServerSchema,
} from '../../api/gen/inbound_pb.js'
import {
  OutboundPolicies,
  OutboundPolicySchema,
  type OutboundPolicy as PolicyMessage,
  type TrafficSpec,
} from '../../api/gen/outbound_pb.js'
import { addService } from '../../api/grpc.ts'
import { tcpAddressToMessage } from '../../api/ip.ts'
import { certifyOver } from '../identity/certify-call.ts'
import { REAL_TIMERS } from '../io/timers.ts'
import type { InboundServer } from '../policy/inbound-policy.ts'
import type { Profile } from '../policy/profile.ts'
import { ControlPlane } from './control-plane.ts'
import type { EndpointUpdate } from './discovery.ts'
import { GrpcChannel } from './grpc-client.ts'
import { until } from './test-server.ts'

type Handlers = Partial<{
  get(call: ServerWritableStream<GetDestination, Update>): void
  getProfile(call: ServerWritableStream<GetDestination, DestinationProfile>): void
  watch(call: ServerWritableStream<TrafficSpec, PolicyMessage>): void
  watchPort(call: ServerWritableStream<PortSpec, ServerMessage>): void
}>

/** All APIs of the control plane on one port; what a test does not answer stays silent. */
async function serve(t: Test, handlers: Handlers, port = 0): Promise<{ port: number; kill(): void }> {
  const server = new Server()
  const silent = () => {}
  addService(server, Destination, { get: handlers.get ?? silent, getProfile: handlers.getProfile ?? silent })
  addService(server, OutboundPolicies, { get: silent, watch: handlers.watch ?? silent })
  addService(server, InboundServerPolicies, { getPort: silent, watchPort: handlers.watchPort ?? silent })
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, at) =>
      error ? reject(error) : resolve(at),
    )
  })
  t.teardown(() => server.forceShutdown())
  return { port: bound, kill: () => server.forceShutdown() }
}

function open(t: Test, port: number) {
  const backoff = { minMs: 10, maxMs: 40, jitter: 0 }
  const channel = () => new GrpcChannel({ target: `127.0.0.1:${port}`, timers: REAL_TIMERS, random: () => 0, backoff })
  const logs: string[] = []
  const controlPlane = new ControlPlane({
    destination: channel(),
    policy: channel(),
    limits: { initialMs: 3_000, idleMs: 300_000, lifetimeMs: 3_600_000 },
    backoff,
    contextToken: '{"ns":"shop"}\n',
    workload: '{"ns":"shop","pod":"web-1"}\n',
    detectTimeoutMs: 10_000,
    timers: REAL_TIMERS,
    random: () => 0,
    log: (_level, message) => logs.push(message),
  })
  t.teardown(() => controlPlane.close())
  return { controlPlane, logs }
}

const fails =
  (code: Code, details = 'because') =>
  (call: { emit(name: 'error', error: object): unknown }) =>
    void call.emit('error', { code, details })
const addr = (ip: string, port = 8080) => ({ addr: tcpAddressToMessage({ ip, port }), weight: 10_000 })
const update = (value: MessageInitShape<typeof UpdateSchema>['update']) => create(UpdateSchema, { update: value! })
const add = (...ips: string[]) => update({ case: 'add', value: { addrs: ips.map((ip) => addr(ip)) } })
const remove = (...ips: string[]) =>
  update({ case: 'remove', value: { addrs: ips.map((ip) => tcpAddressToMessage({ ip, port: 8080 })) } })

function describe(change: EndpointUpdate): string {
  return change.kind === 'remove'
    ? `remove ${change.addresses.join()}`
    : `${change.kind} ${change.endpoints.map(({ ip, port }) => `${ip}:${port}`).join()}`
}

test('endpoints: the first set of a stream is complete, then changes', async (t) => {
  const requests: string[] = []
  let serving: ServerWritableStream<GetDestination, Update> | undefined
  const server = await serve(t, {
    get: (call) => {
      requests.push(`${call.request.path} ${call.request.contextToken}`)
      serving = call
      call.write(remove('10.0.0.9'))
      call.write(create(UpdateSchema, {}))
      call.write(add('10.0.0.1', '10.0.0.2'))
    },
  })
  const { controlPlane } = open(t, server.port)
  const heard: string[] = []
  const watch = controlPlane.watchEndpoints(
    'cart.shop.svc.cluster.local:80',
    (change) => heard.push(describe(change)),
    (reason) => heard.push(reason),
  )
  await until(() => heard.length === 1)
  serving!.write(add('10.0.0.3'))
  serving!.write(remove('10.0.0.1'))
  serving!.write(update({ case: 'noEndpoints', value: { exists: true } }))
  serving!.write(add('10.0.0.4'))
  await until(() => heard.length === 5)
  t.same(heard, [
    'reset 10.0.0.1:8080,10.0.0.2:8080',
    'add 10.0.0.3:8080',
    'remove 10.0.0.1:8080',
    'reset ',
    'add 10.0.0.4:8080',
  ])
  t.same(requests, ['cart.shop.svc.cluster.local:80 {"ns":"shop"}\n'])

  server.kill()
  await serve(t, { get: (call) => call.write(add('10.0.0.7')) }, server.port)
  await until(() => heard.length === 6)
  t.equal(heard[5], 'reset 10.0.0.7:8080', 'after a reconnect again complete; nothing was told in between')
  watch.close()
})

test('endpoints: a service that is not there is asked again, a wrong name is not', async (t) => {
  let asked = 0
  const server = await serve(t, {
    get: (call) =>
      call.request.path.startsWith('cart')
        ? ++asked < 4
          ? fails(Code.NOT_FOUND)(call)
          : call.write(add('10.0.0.1'))
        : fails(Code.INVALID_ARGUMENT, 'no such domain')(call),
  })
  const { controlPlane, logs } = open(t, server.port)
  const heard: string[] = []
  controlPlane.watchEndpoints(
    'cart.shop:80',
    (change) => heard.push(describe(change)),
    () => t.fail('not refused'),
  )
  await until(() => heard.length === 1)
  t.same(heard, ['reset 10.0.0.1:8080'])
  t.same(logs, [
    'endpoints of cart.shop:80: NOT_FOUND: because; asked again after a while, what is known stays in force',
  ])
  controlPlane.watchEndpoints(
    'elsewhere:80',
    () => t.fail('no endpoints'),
    (reason) => heard.push(reason),
  )
  await until(() => heard.length === 2)
  t.equal(heard[1], 'INVALID_ARGUMENT: no such domain')
})

test('profiles', async (t) => {
  const profile = (fullyQualifiedName: string) => create(DestinationProfileSchema, { fullyQualifiedName })
  let serving: ServerWritableStream<GetDestination, DestinationProfile> | undefined
  let failing: Code | undefined
  let asked = 0
  const server = await serve(t, {
    getProfile: (call) => {
      asked++
      if (call.request.path === '10.0.0.2:80') return fails(Code.FAILED_PRECONDITION)(call)
      if (failing !== undefined) return fails(failing)(call)
      serving = call
      call.write(profile(`first.${call.request.path}`))
    },
  })
  const { controlPlane } = open(t, server.port)
  const heard: (Profile | undefined)[] = []
  controlPlane.watchProfile('10.0.0.1:80', (update) => heard.push(update))
  await until(() => heard.length === 1)
  serving!.write(profile('second'))
  await until(() => heard.length === 2)
  t.same(
    heard.map((update) => update?.name),
    ['first.10.0.0.1:80', 'second'],
  )

  const none: (Profile | undefined)[] = []
  controlPlane.watchProfile('10.0.0.2:80', (update) => none.push(update))
  await until(() => none.length === 1)
  t.same(none, [undefined], 'the control plane says that there is no profile')

  asked = 0
  failing = Code.INVALID_ARGUMENT
  serving!.end()
  await until(() => asked === 1)
  await new Promise((resolve) => setTimeout(resolve, 60))
  t.equal(heard.length, 2, 'a later refusal freezes the last profile')
  t.equal(asked, 1)
})

test('outbound policies', async (t) => {
  const codes = new Map([
    ['10.0.0.4', Code.NOT_FOUND],
    ['10.0.0.5', Code.UNIMPLEMENTED],
    ['10.0.0.6', Code.INVALID_ARGUMENT],
  ])
  const seen: TrafficSpec[] = []
  let failures = 0
  const server = await serve(t, {
    watch: (call) => {
      seen.push(call.request)
      const { target } = call.request
      const last = target.case === 'addr' && target.value.ip?.ip.case === 'ipv4' ? target.value.ip.ip.value & 0xff : 0
      const code = codes.get(`10.0.0.${last}`)
      if (code !== undefined) return fails(code)(call)
      if (last === 7 && ++failures < 3) return fails(Code.INTERNAL)(call)
      if (last === 8) return void call.write(create(OutboundPolicySchema, {}))
      call.write(
        create(OutboundPolicySchema, {
          metadata: {
            kind: {
              case: 'resource',
              value: { group: 'core', kind: 'Service', name: 'cart', namespace: 'shop', port: 80 },
            },
          },
          protocol: { kind: { case: 'opaque', value: { routes: [] } } },
        }),
      )
    },
  })
  const { controlPlane, logs } = open(t, server.port)
  const cases = [
    { address: '10.0.0.1:80', heard: { kind: 'target', parent: { kind: 'Service', name: 'cart' } } },
    { address: '10.0.0.4:80', heard: undefined },
    { address: '10.0.0.5:80', heard: undefined },
    { address: '10.0.0.6:80', heard: { kind: 'refused', reason: 'INVALID_ARGUMENT: because' } },
    { address: '10.0.0.7:80', heard: { kind: 'target' } },
    { address: '10.0.0.8:80', heard: { kind: 'invalid', reason: /metadata/ } },
    { address: 'cart.shop.svc.cluster.local:80', heard: { kind: 'target' } },
  ]
  for (const { address, heard } of cases) {
    const updates: unknown[] = []
    const watch = controlPlane.watchOutboundPolicy(address, (policy) => updates.push(policy))
    await until(() => updates.length > 0, address)
    t.equal(updates.length, 1, address)
    if (heard === undefined) t.equal(updates[0], undefined, address)
    else t.match(updates[0], heard, address)
    watch.close()
  }
  t.match(seen[0], {
    weftExtensions: 1,
    sourceWorkload: '{"ns":"shop","pod":"web-1"}\n',
    target: { case: 'addr', value: { port: 80 } },
  })
  t.match(seen.at(-1), { target: { case: 'authority', value: 'cart.shop.svc.cluster.local:80' } })
  t.ok(logs.some((line) => /10\.0\.0\.8:80: .*requests fail until it is corrected/.test(line)))
  t.notOk(
    logs.some((line) => line.includes('10.0.0.4')),
    'an address that is no service is ordinary',
  )
})

test('inbound policies', async (t) => {
  const server = await serve(t, {
    watchPort: (call) => {
      const { workload, port } = call.request
      if (workload !== '{"ns":"shop","pod":"web-1"}\n') return fails(Code.INVALID_ARGUMENT)(call)
      if (port === 2) return void call.write(create(ServerSchema, { labels: { name: 'x' } }))
      if (port === 3) return fails(Code.INVALID_ARGUMENT)(call)
      call.write(
        create(ServerSchema, {
          protocol: { kind: { case: 'opaque', value: {} } },
          labels: { group: '', kind: 'default', name: 'all-unauthenticated' },
        }),
      )
    },
  })
  const { controlPlane, logs } = open(t, server.port)
  const heard = new Map<number, InboundServer>()
  for (const port of [1, 2, 3]) controlPlane.watchPort(port, (policy) => heard.set(port, policy))
  await until(() => heard.size === 2 && logs.length === 2)
  t.match(heard.get(1), { kind: 'server', meta: { name: 'all-unauthenticated' }, protocol: { kind: 'opaque' } })
  t.match(
    heard.get(2),
    { kind: 'server', meta: { name: 'invalid' }, authorizations: [] },
    'what was not understood lets nobody in',
  )
  t.equal(heard.has(3), false, 'a refusal leaves the local default')
  t.match(logs.sort(), [/port 2: .*nobody is let in/, /port 3: INVALID_ARGUMENT.*not asked again/])
})

test('a control plane that starts late, dies and comes back', async (t) => {
  const idle = createServer()
  idle.listen(0, '127.0.0.1')
  await once(idle, 'listening')
  const { port } = idle.address() as AddressInfo
  idle.close()
  const { controlPlane } = open(t, port)
  const heard: string[] = []
  // As many watches as a busy sidecar has.
  for (let at = 0; at < 200; at++)
    controlPlane.watchEndpoints(
      `s${at}.shop:80`,
      (change) => heard.push(describe(change)),
      (reason) => t.fail(reason),
    )
  await new Promise((resolve) => setTimeout(resolve, 50))
  for (let life = 1; life <= 3; life++) {
    const server = await serve(t, { get: (call) => call.write(add(`10.0.0.${life}`)) }, port)
    await until(() => heard.length === 200 * life, `life ${life}`)
    t.equal(heard.at(-1), `reset 10.0.0.${life}:8080`)
    server.kill()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  controlPlane.close()
  await serve(t, { get: () => t.fail('nobody asks after close') }, port)
  await new Promise((resolve) => setTimeout(resolve, 60))
})

test('certifyOver', async (t) => {
  const server = new Server()
  const seen: unknown[] = []
  addService(server, IdentityService, {
    certify: (call, answer) => {
      seen.push(call.request)
      answer(
        null,
        create(CertifyResponseSchema, {
          leafCertificate: Buffer.from('leaf'),
          intermediateCertificates: [Buffer.from('one')],
          validUntil: { seconds: 1_700_000_000n, nanos: 500_000_000 },
        }),
      )
    },
  })
  const port = await new Promise<number>((resolve) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_error, at) => resolve(at)),
  )
  t.teardown(() => server.forceShutdown())
  const certify = certifyOver(
    () => new GrpcChannel({ target: `127.0.0.1:${port}`, timers: REAL_TIMERS, random: Math.random }),
  )
  const answer = await certify(async () => ({
    identity: 'web',
    token: Buffer.from('token'),
    certificateSigningRequest: Buffer.from('csr'),
  }))
  t.match(seen, [{ identity: 'web', token: Buffer.from('token') }])
  t.equal(Buffer.from(answer.leafCertificate).toString(), 'leaf')
  t.equal(answer.validUntilMs, 1_700_000_000_500)
  server.forceShutdown()
  await t.rejects(
    certifyOver(
      () => new GrpcChannel({ target: `127.0.0.1:${port}`, timers: REAL_TIMERS, random: Math.random }),
      30,
    )(async () => ({ identity: 'web', token: Buffer.alloc(1), certificateSigningRequest: Buffer.alloc(1) })),
    { message: /did not answer within 30 ms/ },
  )
  await t.rejects(
    certify(() => Promise.reject(new Error('no token'))),
    { message: 'no token' },
  )
})
