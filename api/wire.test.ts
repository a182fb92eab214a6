/**
 * The bytes on the wire, against vectors made by other implementations: our generated messages must write and read
 * exactly these. Plus the points where TypeScript code for this API usually goes wrong.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf'
import { test } from 'tap'
import * as destination from './gen/destination_pb.js'
import { GrpcRouteMatchSchema } from './gen/grpc_route_pb.js'
import { HttpMethod_Registered, HttpMethodSchema, Scheme_Registered, SchemeSchema } from './gen/http_types_pb.js'
import * as inbound from './gen/inbound_pb.js'
import { IPAddressSchema, TcpAddressSchema } from './gen/net_pb.js'
import * as outbound from './gen/outbound_pb.js'
import * as tap from './gen/tap_pb.js'
import { HeaderSchema } from './gen/transport_pb.js'

interface Vector {
  readonly name: string
  readonly hex: string
  encode(): Uint8Array
  reencode(bytes: Uint8Array): Uint8Array
}

function vector<D extends DescMessage>(name: string, schema: D, value: MessageInitShape<D>, hex: string): Vector {
  return {
    name,
    hex,
    encode: () => toBinary(schema, create(schema, value)),
    reencode: (bytes) => toBinary(schema, fromBinary(schema, bytes) as MessageShape<D>),
  }
}

const TEN_0_0_1 = { ip: { case: 'ipv4', value: 0x0a000001 } } as const

const VECTORS: readonly Vector[] = [
  vector('IPv4 is a number in network order', IPAddressSchema, TEN_0_0_1, '0d0100000a'),
  vector('0.0.0.0 is written', IPAddressSchema, { ip: { case: 'ipv4', value: 0 } }, '0d00000000'),
  vector('255.255.255.255 is unsigned', IPAddressSchema, { ip: { case: 'ipv4', value: 0xffffffff } }, '0dffffffff'),
  vector('::1', IPAddressSchema, { ip: { case: 'ipv6', value: { first: 0n, last: 1n } } }, '1209110100000000000000'),
  vector(
    'the halves of an IPv6 address use all 64 bits',
    IPAddressSchema,
    { ip: { case: 'ipv6', value: { first: 0xff00000000000000n, last: 0xffffffffffffffffn } } },
    '12120900000000000000ff11ffffffffffffffff',
  ),
  vector(
    'TCP address',
    TcpAddressSchema,
    { ip: { ip: { case: 'ipv4', value: 0x7f000001 } }, port: 8080 },
    '0a050d0100007f10903f',
  ),
  vector(
    'GET is 0 and written',
    HttpMethodSchema,
    { type: { case: 'registered', value: HttpMethod_Registered.GET } },
    '0800',
  ),
  vector(
    'HTTP is 0 and written',
    SchemeSchema,
    { type: { case: 'registered', value: Scheme_Registered.HTTP } },
    '0800',
  ),
  vector('HTTPS', SchemeSchema, { type: { case: 'registered', value: Scheme_Registered.HTTPS } }, '0801'),
  vector(
    'a destination',
    destination.GetDestinationSchema,
    { path: 'a.b.svc.cluster.local:80' },
    '1218612e622e7376632e636c75737465722e6c6f63616c3a3830',
  ),
  vector(
    'no endpoints of a known service',
    destination.UpdateSchema,
    { update: { case: 'noEndpoints', value: { exists: true } } },
    '1a020801',
  ),
  vector(
    'no endpoints of an unknown service',
    destination.UpdateSchema,
    { update: { case: 'noEndpoints', value: { exists: false } } },
    '1a00',
  ),
  vector(
    'an endpoint removed',
    destination.UpdateSchema,
    { update: { case: 'remove', value: { addrs: [{ ip: TEN_0_0_1, port: 80 }] } } },
    '120b0a090a050d0100000a1050',
  ),
  vector(
    'a hint',
    destination.ProtocolHintSchema,
    { protocol: { case: 'h2', value: {} }, opaqueTransport: { inboundPort: 4143 } },
    '0a00120308af20',
  ),
  vector(
    'an endpoint with labels',
    destination.WeightedAddrSetSchema,
    { addrs: [{ addr: { ip: TEN_0_0_1, port: 80 }, weight: 10000 }], metricLabels: { service: 'a' } },
    '0a0e0a090a050d0100000a105018904e120c0a0773657276696365120161',
  ),
  vector('a port', inbound.PortSpecSchema, { workload: 'ns:pod', port: 4191 }, '0a066e733a706f6410df20'),
  vector(
    'any mesh identity: a suffix without parts',
    inbound.AuthnSchema,
    {
      permit: { case: 'meshTLS', value: { clients: { case: 'identities', value: { suffixes: [{}] } } } },
    },
    '120412021200',
  ),
  vector(
    'a traffic target',
    outbound.TrafficSpecSchema,
    { sourceWorkload: 'ns:pod', target: { case: 'addr', value: { ip: TEN_0_0_1, port: 80 } } },
    '0a066e733a706f6412090a050d0100000a1050',
  ),
  vector('a queue', outbound.QueueSchema, { capacity: 100, failfastTimeout: { seconds: 3n } }, '086412020803'),
  vector(
    'a threshold is a double',
    outbound.FailureAccrualSchema,
    { kind: { case: 'unified', value: { successRateThreshold: 0.8 } } },
    '1209099a9999999999e93f',
  ),
  vector('grpc-status 0 is written', tap.EosSchema, { end: { case: 'grpcStatusCode', value: 0 } }, '0800'),
  vector('an empty gRPC method match is written', GrpcRouteMatchSchema, { rpc: {} }, '0a00'),
  vector(
    'empty retry conditions are written',
    outbound.HttpRoute_RetrySchema,
    { maxRetries: 1, conditions: {} },
    '08011a00',
  ),
  vector(
    'a distribution of nothing is written',
    outbound.HttpRoute_DistributionSchema,
    { kind: { case: 'empty', value: {} } },
    '0a00',
  ),
  vector('a jitter ratio is a float', outbound.ExponentialBackoffSchema, { jitterRatio: 0.5 }, '1d0000003f'),
  vector(
    'a transport header',
    HeaderSchema,
    { port: 8080, sessionProtocol: { kind: { case: 'http2', value: {} } } },
    '08903f1a021200',
  ),
]

test('messages are the bytes other implementations write', async (t) => {
  for (const { name, hex, encode, reencode } of VECTORS) {
    t.equal(Buffer.from(encode()).toString('hex'), hex, name)
    t.equal(Buffer.from(reencode(Buffer.from(hex, 'hex'))).toString('hex'), hex, `${name}, read and written again`)
  }
})

test('presence: absent and empty are different things', async (t) => {
  t.equal(fromBinary(IPAddressSchema, new Uint8Array()).ip.case, undefined, 'an unset oneof')
  t.equal(fromBinary(destination.WeightedAddrSchema, new Uint8Array()).protocolHint, undefined, 'an absent message')
  t.equal(fromBinary(destination.RouteSchema, new Uint8Array()).timeout, undefined, 'an absent duration is not zero')
})

test('a variant of a newer version decodes as unset', async (t) => {
  // Field 15 of inbound.ProxyProtocol.kind does not exist yet.
  const protocol = fromBinary(inbound.ProxyProtocolSchema, Buffer.from('7a00', 'hex'))
  t.equal(protocol.kind.case, undefined)
})

test('api/gen is what the schemas generate', async (t) => {
  const out = mkdtempSync(join(tmpdir(), 'weft-gen-'))
  t.teardown(() => rmSync(out, { recursive: true }))
  const template = join(out, 'buf.gen.yaml')
  const root = join(import.meta.dirname, '..')
  writeFileSync(template, readFileSync(join(root, 'buf.gen.yaml'), 'utf8').replace('out: api/gen', `out: ${out}/gen`))
  const path = `${join(root, 'node_modules/.bin')}:${process.env.PATH}`
  execFileSync('buf', ['generate', '--template', template], { cwd: root, env: { ...process.env, PATH: path } })
  const generated = readdirSync(join(out, 'gen')).sort()
  const isOurs = (name: string): boolean => name.endsWith('_tables.ts')
  // Those are held by messages/codec.test.ts.
  t.same(
    readdirSync(join(import.meta.dirname, 'gen'))
      .sort()
      .filter((name) => !isOurs(name)),
    generated,
  )
  for (const file of generated) {
    const [fresh, committed] = [join(out, 'gen', file), join(import.meta.dirname, 'gen', file)].map((name) =>
      readFileSync(name, 'utf8'),
    )
    t.ok(fresh === committed, `${file}; after a change of api/proto run \`npm run generate\``)
  }
})
