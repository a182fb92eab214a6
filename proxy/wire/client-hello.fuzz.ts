/**
 * ClientHellos, built field by field and broken, against OpenSSL in node:tls: when its server gets as far as asking for a
 * certificate or a protocol, it must have read the same names as we. Also: an answer stays, however many bytes follow, and
 * comes as soon as the message is there.
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { createSecureContext, TLSSocket, type TLSSocketOptions } from 'node:tls'
import { below, mutateList, mutateText, pick, several, textOf } from '../../test/fuzz/draw.ts'
import { fuzzer, type Random } from '../../test/fuzz/fuzzer.ts'
import { TestAuthority } from '../io/test-authority.ts'
import { type ClientHello, MAX_CLIENT_HELLO_BYTES, MAX_RECORDS, readClientHello } from './client-hello.ts'

type Extension = readonly [type: number, data: string]
type Input = {
  /** Version, session id, cipher suites, compression methods. */
  readonly start: string
  readonly extensions: readonly Extension[]
  /** Added to the lengths of the extensions and of the message. */
  readonly lie: readonly number[]
  readonly recordBytes: number
  /** Changes of single bytes at the very end: offset and value. */
  readonly patches: readonly (readonly number[])[]
}

const NAMES = [
  'a',
  'web.shop.svc.cluster.local',
  'UPPER.example',
  'x'.repeat(255),
  '',
  '10.0.0.1',
  'a\0b',
  'ü',
  'a.',
  '*.a',
]
const PROTOCOLS = ['h2', 'http/1.1', 'transport.l5d.io/v1', '', 'x'.repeat(255), '\0', 'é']
const TYPES = [0, 16, 10, 11, 13, 43, 45, 51, 35, 23, 0x0a0a, 65_281, 21, 41, 42, 99]
const PIECES = ['\0', '\xff', '\0\0', '\x01\0', '\0\x01a', '\0\x05\0\0\x02h2']

export const clientHelloFuzzer = fuzzer<Input>({
  name: 'client-hello',
  checks:
    'ClientHellos: the names that OpenSSL (node:tls) reads, however records cut them; answers stay and come at once',
  cases: 250,
  generate: (random) => ({
    start: random() < 0.8 ? START : mutateText(random, START, PIECES, 1),
    extensions: [...FIXED, ...several(random, 4, () => extension(random)), sni(random), alpn(random)].sort(
      () => random() - 0.5,
    ),
    lie: random() < 0.9 ? [0, 0] : [below(random, 5) - 2, below(random, 5) - 2],
    recordBytes: pick(random, [1, 5, 50, 200, 16_384]),
    patches: random() < 0.8 ? [] : several(random, 3, () => [below(random, 300), below(random, 256)]),
  }),
  mutate: (random, input) => ({
    ...input,
    extensions: mutateList(
      random,
      input.extensions,
      () => pick(random, [sni, alpn, extension])(random),
      ([type, data]) => [type, mutateText(random, data, PIECES, 2)],
    ),
    patches: several(random, 2, () => [below(random, 300), below(random, 256)]),
  }),
  run: check,
})

const vector1 = (text: string): string => String.fromCharCode(text.length & 0xff) + text
const vector2 = (text: string): string => String.fromCharCode((text.length >> 8) & 0xff, text.length & 0xff) + text

const START = `\x03\x03${'r'.repeat(32)}${vector1('s'.repeat(32))}${vector2('\x13\x01\x13\x02\xc0\x2b')}${vector1('\0')}`
/** What OpenSSL needs to go on: versions, groups, signatures, a share for X25519, whose point may be any 32 bytes. */
const FIXED: readonly Extension[] = [
  [43, vector1('\x03\x04\x03\x03')],
  [10, vector2('\0\x1d\0\x17')],
  [13, vector2('\x04\x03\x08\x04\x04\x01')],
  [51, vector2(`\0\x1d${vector2('k'.repeat(32))}`)],
]

function sni(random: Random): Extension {
  const names = several(random, 2, () => pick(random, ['\0', '\0', '\0', '\x01']) + vector2(pick(random, NAMES)))
  return [0, vector2(names.length === 0 ? `\0${vector2(pick(random, NAMES))}` : names.join(''))]
}

function alpn(random: Random): Extension {
  return [16, vector2(several(random, 4, () => vector1(pick(random, PROTOCOLS))).join(''))]
}

function extension(random: Random): Extension {
  return [pick(random, TYPES), textOf(random, below(random, 20))]
}

function build({ start, extensions, lie, recordBytes, patches }: Input): Buffer {
  const list = extensions
    .map(([type, data]) => `${String.fromCharCode((type >> 8) & 0xff, type & 0xff)}${vector2(data)}`)
    .join('')
  const length = list.length + (lie[0] ?? 0)
  const body = `${start}${String.fromCharCode((length >> 8) & 0xff, length & 0xff)}${list}`
  const total = body.length + (lie[1] ?? 0)
  const message = `\x01${String.fromCharCode((total >> 16) & 0xff, (total >> 8) & 0xff, total & 0xff)}${body}`
  let records = ''
  for (let at = 0; at < message.length; at += Math.max(1, recordBytes)) {
    records += `\x16\x03\x01${vector2(message.slice(at, at + Math.max(1, recordBytes)))}`
  }
  const bytes = Buffer.from(records, 'latin1')
  for (const [at = 0, value = 0] of patches) if (at < bytes.length) bytes[at] = value
  return bytes
}

async function check(input: Input): Promise<void> {
  const bytes = build(input)
  const ours = readClientHello(bytes, 0, bytes.length)
  let decided: ClientHello | undefined
  for (let end = 0; end <= bytes.length; end += end < 60 ? 1 : 13) {
    const early = readClientHello(bytes, 0, end)
    if (decided !== undefined) deepEqual(early, decided, 'an answer stays')
    else if (early.kind !== 'partial') decided = early
  }
  if (decided !== undefined) deepEqual(ours, decided, 'an answer stays')
  if (ours.kind === 'partial') ok(bytes.length < 5 + MAX_CLIENT_HELLO_BYTES + 64 * 5, 'what is not decided is not long')
  await checkAgainstOpenSsl(input, bytes, ours)
}

// ── OpenSSL ──

const authority = await TestAuthority.root()
const { keyPem, chainPem } = await authority.issue('web')
const secureContext = createSecureContext({ key: keyPem, cert: chainPem })

/** What a server of node:tls reads from these bytes; without a part it did not get to. */
async function readWithOpenSsl(bytes: Buffer): Promise<{ servername?: string | null; protocols?: readonly string[] }> {
  const seen: { servername?: string | null; protocols?: readonly string[] } = {}
  let isAnswered = false
  const wire = new Duplex({
    read() {},
    write(_chunk, _encoding, done) {
      isAnswered = true
      done()
    },
  })
  const options: TLSSocketOptions & { ALPNCallback: unknown } = {
    isServer: true,
    secureContext,
    SNICallback(servername, done) {
      seen.servername = servername
      done(null, secureContext)
    },
    ALPNCallback({ protocols }: { protocols: readonly string[] }) {
      seen.protocols = protocols
      return undefined
    },
  }
  const socket = new TLSSocket(wire, options as TLSSocketOptions)
  socket.on('error', () => {
    isAnswered = true
  })
  wire.push(bytes)
  for (let turns = 0; turns < 8 && !isAnswered; turns++) await setImmediate()
  socket.destroy()
  wire.destroy()
  return seen
}

async function checkAgainstOpenSsl(input: Input, bytes: Buffer, ours: ClientHello): Promise<void> {
  const { servername, protocols } = await readWithOpenSsl(bytes)
  if (servername === undefined && protocols === undefined) return
  // OpenSSL waits for any number of records, and does not look at their minor versions.
  const records = bytes.length / (5 + Math.max(1, input.recordBytes))
  if (records > MAX_RECORDS - 1 && ours.kind === 'not-tls') return
  if (ours.kind === 'not-tls' && input.patches.length > 0) return
  // RFC 8446 §4.1.2: legacy_version is 3.3. OpenSSL takes any and negotiates downwards.
  if (ours.kind === 'not-tls' && !input.start.startsWith('\x03')) return
  equal(ours.kind, 'hello', `OpenSSL read ${JSON.stringify({ servername, protocols })}`)
  if (ours.kind !== 'hello') return
  if (typeof servername === 'string' && servername !== '') equal(ours.sni, servername.toLowerCase())
  // Node shows protocols as ASCII, without the eighth bit.
  const ascii = ours.alpn.map((name) => Buffer.from(name, 'latin1').toString('ascii'))
  if (protocols !== undefined) deepEqual(ascii, protocols)
}
