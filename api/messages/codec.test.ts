import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { RequestMatchTable, UpdateTable, WeightedAddrTable } from '../gen/destination_tables.ts'
import { HttpMethodTable } from '../gen/http_types_tables.ts'
import { PortSpecTable, ServerTable } from '../gen/inbound_tables.ts'
import { OutboundPolicyTable } from '../gen/outbound_tables.ts'
import { seededRandom } from '../seeded-random.ts'
import { fuzz } from './codec.fuzz.ts'
import { decode, encode } from './codec.ts'
import { describeTables } from './describe.ts'
import { tablesWithDescriptors } from './testing.ts'

test('the tables are those of the .proto files', async (t) => {
  for (const [name, text] of describeTables()) {
    const written = readFileSync(join(import.meta.dirname, '..', 'gen', name), 'utf8')
    t.equal(written, text, `${name}: run npm run generate`)
  }
})

test('every message that a proxy speaks has a table', async (t) => {
  const names = new Set(tablesWithDescriptors().map(({ table }) => table.typeName))
  t.ok(names.size > 120, `${names.size} tables`)
  for (const name of ['destination.Update', 'inbound.Server', 'outbound.OutboundPolicy', 'identity.CertifyResponse'])
    t.ok(names.has(`io.linkerd.proxy.${name}`), name)
})

const bytes = (hex: string): Uint8Array => Buffer.from(hex.replaceAll(' ', ''), 'hex')

test('decode', async (t) => {
  t.same(decode(HttpMethodTable, bytes('')).type, { case: undefined }, 'a oneof that is not set')
  t.same(decode(HttpMethodTable, bytes('0800')).type, { case: 'registered', value: 0 }, 'a oneof with its default')
  t.same(
    decode(HttpMethodTable, bytes('0803 1201 78')).type,
    { case: 'unregistered', value: 'x' },
    'the last case wins',
  )
  t.equal(decode(PortSpecTable, bytes('0a0161 9a3e03 010203 10 9043')).port, 8592, 'an unknown field is skipped')
  t.equal(decode(PortSpecTable, bytes('1203 010203')).port, 0, 'a field of another wire type is another field')
  t.equal(decode(WeightedAddrTable, bytes('')).tlsIdentity, undefined, 'a message that is absent')
  t.equal(decode(ServerTable, bytes('')).labels.constructor, undefined, 'a map without a prototype')
  const labels = decode(ServerTable, bytes('220e 0a09 5f5f70726f746f5f5f 1201 78')).labels
  t.same(Object.entries(labels), [['__proto__', 'x']], 'any key is a key')
})

test('bytes that are no message', async (t) => {
  const cases = [
    { name: 'a string longer than its message', hex: '0a05 61' },
    { name: 'a nested message longer than its parent', hex: '0a7f 0a00' },
    { name: 'a varint without an end', hex: '10 ffffffffffffffffffff' },
    { name: 'a tag of field 0', hex: '00' },
    { name: 'a group that is never closed', hex: '9b3e' },
  ]
  for (const { name, hex } of cases) {
    t.throws(() => decode(PortSpecTable, bytes(hex)), Error, `${name}: PortSpec`)
    t.throws(() => decode(OutboundPolicyTable, bytes(hex)), Error, `${name}: OutboundPolicy`)
  }
  // not(not(not(…)))
  let match = Buffer.alloc(0)
  for (let depth = 0; depth < 40; depth++) match = Buffer.concat([bytes('1a'), lengthOf(match.length), match])
  t.throws(() => decode(RequestMatchTable, match), /nested deeper than 32 messages/)
})

function lengthOf(length: number): Buffer {
  return length < 128 ? Buffer.of(length) : Buffer.of((length & 0x7f) | 0x80, length >> 7)
}

test('encode leaves out defaults and keeps what was set', async (t) => {
  t.equal(Buffer.from(encode(PortSpecTable, { workload: '', port: 0 })).toString('hex'), '')
  t.equal(Buffer.from(encode(PortSpecTable, { workload: 'a', port: 1 })).toString('hex'), '0a01611001')
  t.equal(
    Buffer.from(encode(UpdateTable, { update: { case: 'noEndpoints', value: { exists: false } } })).toString('hex'),
    '1a00',
  )
})

test('reads and writes as the library does', async (t) => {
  fuzz(seededRandom(1), 1_500)
  t.pass('1,500 messages')
})
