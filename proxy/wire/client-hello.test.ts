import { Duplex } from 'node:stream'
import { type ConnectionOptions, connect } from 'node:tls'
import { test } from 'tap'
import { MAX_CLIENT_HELLO_BYTES, readClientHello } from './client-hello.ts'
import { below, seededRandom } from './seeded-random.ts'

/** What Node's own TLS client says first. */
function helloOf(options: ConnectionOptions): Promise<Buffer> {
  return new Promise((resolve) => {
    const parts: Buffer[] = []
    const pipe = new Duplex({
      read() {},
      write(part, _encoding, done) {
        parts.push(part)
        done()
        setImmediate(() => {
          client.destroy()
          resolve(Buffer.concat(parts))
        })
      },
    })
    const client = connect({ socket: pipe, ...options })
    client.on('error', () => {})
  })
}

/** The same handshake message in records of `size` bytes. */
function split(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5)
  const records: Buffer[] = []
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size)
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part)
  }
  return Buffer.concat(records)
}

const OPTIONS: ConnectionOptions = {
  servername: 'Web.Shop.serviceaccount.identity.linkerd.cluster.local',
  ALPNProtocols: ['transport.l5d.io/v1', 'h2'],
}
const EXPECTED = {
  kind: 'hello',
  sni: 'web.shop.serviceaccount.identity.linkerd.cluster.local',
  alpn: ['transport.l5d.io/v1', 'h2'],
}

test('the ClientHello of a real client', async (t) => {
  const hello = await helloOf(OPTIONS)
  t.same(readClientHello(hello, 0, hello.length), EXPECTED)
  const framed = Buffer.concat([Buffer.from('xxx'), hello, Buffer.from('more')])
  t.same(readClientHello(framed, 3, framed.length), EXPECTED, 'in the middle of a buffer, with more behind')
  for (let end = 0; end < hello.length; end++) {
    if (readClientHello(hello, 0, end).kind !== 'partial') t.fail(`not partial after ${end} bytes`)
  }
  for (const size of [30, 100, 500, 1000]) {
    const records = split(hello, size)
    t.same(readClientHello(records, 0, records.length), EXPECTED, `records of ${size} bytes`)
    for (let end = 0; end < records.length; end++) {
      if (readClientHello(records, 0, end).kind !== 'partial') t.fail(`not partial after ${end} bytes`)
    }
  }
  const plain = await helloOf({ servername: '' })
  t.same(readClientHello(plain, 0, plain.length), { kind: 'hello', sni: undefined, alpn: [] }, 'without SNI and ALPN')
  const old = await helloOf({ servername: 'a', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' })
  t.same(readClientHello(old, 0, old.length), { kind: 'hello', sni: 'a', alpn: [] }, 'TLS 1.2')
})

test('what is not TLS is told at the first byte that says so', async (t) => {
  const cases = [
    { name: 'HTTP', bytes: Buffer.from('G') },
    { name: 'a TLS alert', bytes: Buffer.from('15', 'hex') },
    { name: 'SSL 2', bytes: Buffer.from('802e', 'hex') },
    { name: 'version 2.x', bytes: Buffer.from('1602', 'hex') },
    { name: 'version 3.5', bytes: Buffer.from('160305', 'hex') },
    { name: 'an empty record', bytes: Buffer.from('1603010000', 'hex') },
    { name: 'a record above 16 KiB', bytes: Buffer.from('1603014001', 'hex') },
    { name: 'a ServerHello', bytes: Buffer.from('160301004002', 'hex') },
    { name: 'a hello above the limit', bytes: Buffer.from('160301004001004000', 'hex') },
    { name: 'a hello of SSL 2', bytes: Buffer.from('16030100060100000202000000', 'hex') },
  ]
  for (const { name, bytes } of cases) t.equal(readClientHello(bytes, 0, bytes.length).kind, 'not-tls', name)
  t.equal(MAX_CLIENT_HELLO_BYTES, 16_384)
  const drops = Buffer.concat(Array.from({ length: 100 }, () => Buffer.from('160301000101', 'hex')))
  t.equal(readClientHello(drops, 0, drops.length).kind, 'not-tls', 'a byte per record for ever')
})

test('hellos cut and broken at random never throw', async (t) => {
  const hello = await helloOf(OPTIONS)
  const random = seededRandom(8446)
  const kinds = new Set<string>()
  for (let round = 0; round < 5000; round++) {
    const broken = Buffer.from(hello)
    for (let changes = below(random, 5); changes >= 0; changes--) {
      const at = random() < 0.7 ? below(random, 200) : below(random, broken.length)
      broken[at] = random() < 0.5 ? below(random, 256) : broken[at]! ^ 1
    }
    kinds.add(readClientHello(broken, 0, below(random, 4) === 0 ? below(random, broken.length) : broken.length).kind)
  }
  t.same([...kinds].sort(), ['hello', 'not-tls', 'partial'])
})
