/**
 * HTTP/2 frames in sequence against a server and a client, with an application behind that does what it may at any time.
 *
 * Whatever comes, a connection answers with frames or ends with GOAWAY; nothing else is thrown. Its promises hold all the
 * time: it sends no more than the windows it was given, opens no window beyond 2^31-1, keeps no more than its bounds, tells
 * every handler of exactly one end, writes nothing behind its end, and forgets every stream when it is over.
 */
import { equal, ok } from 'node:assert/strict'
import { below, mutateList, pick, textOf } from '../../test/fuzz/draw.ts'
import { fuzzer, type Random } from '../../test/fuzz/fuzzer.ts'
import { u24, u31, u32 } from '../wire/bytes.ts'
import { ErrorCode } from '../wire/connection-error.ts'
import { CLIENT_PREFACE, Flag, FrameType, Setting } from '../wire/frame.ts'
import { Head } from '../wire/head.ts'
import { DEFAULT_HTTP2, HTTP2_BOUNDS, MAX_FRAME_BYTES } from './http2-config.ts'
import { Http2Connection } from './http2-connection.ts'
import type { Http2Stream } from './http2-stream.ts'
import { MemoryTransport } from './memory-transport.ts'
import type { RequestHandler, ResponseHandler } from './stream.ts'
import {
  block,
  clientStart,
  data,
  type Fields,
  frame,
  GET,
  goaway,
  headers,
  POST,
  padded,
  ping,
  rstStream,
  settings,
  settingsAck,
  windowUpdate,
} from './test-frames.ts'

/** What happens next: its name, and numbers that choose streams, sizes and variants. */
type Step = readonly [what: string, a: number, b: number, c: number]

type Input = {
  readonly role: 'server' | 'client'
  /** Reads are cut into pieces of at most this many bytes. */
  readonly pieceBytes: number
  /** Of so many pieces of content the handler keeps one unconsumed. */
  readonly keepsEvery: number
  readonly steps: readonly Step[]
}

const MAX_STEPS = 60
const MAX_WINDOW_BYTES = 0x7fff_ffff
const CONFIG = {
  ...DEFAULT_HTTP2,
  initialStreamWindowBytes: 5_000,
  initialConnectionWindowBytes: 80_000,
  maxConcurrentStreams: 5,
  maxHeaderListBytes: 2_000,
  keepAliveIntervalMs: 10_000,
  keepAliveTimeoutMs: 5_000,
}
const RESPONSE: Fields = [[':status', '200']]
const HEADS: readonly Fields[] = [
  GET,
  POST,
  RESPONSE,
  [[':status', '103']],
  [[':status', '204']],
  [['x-sum', '1']],
  [...POST, ['content-length', '10']],
  [...RESPONSE, ['content-length', '10']],
  [...GET, ['connection', 'close']],
  [...GET, ['x-large', 'x'.repeat(3_000)]],
  [[':method', 'HEAD'], ...GET.slice(1)],
  [
    [':method', 'CONNECT'],
    [':authority', 'a:1'],
  ],
  [...GET.slice(0, 3)],
  [...GET, ['Upper', 'x']],
  [
    [':status', '200'],
    [':status', '200'],
  ],
]
const BYTES = [0, 1, 10, 100, 1_000, 2_000, 5_001, 16_384, 20_000, 70_000]
const INCREMENTS = [1, 100, 1_000, 100_000, MAX_WINDOW_BYTES, 0]
const SETTINGS: readonly (readonly [number, number])[] = [
  [Setting.initialWindowSize, 0],
  [Setting.initialWindowSize, 10],
  [Setting.initialWindowSize, 65_535],
  [Setting.initialWindowSize, 1_000_000],
  [Setting.initialWindowSize, MAX_WINDOW_BYTES],
  [Setting.maxConcurrentStreams, 0],
  [Setting.maxConcurrentStreams, 100],
  [Setting.headerTableSize, 0],
  [Setting.headerTableSize, 4_096],
  [Setting.maxFrameSize, 16_384],
  [Setting.enablePush, 0],
  [0xff, 7],
]
const CODES = [ErrorCode.cancel, ErrorCode.refusedStream, ErrorCode.noError, 99]

/** Steps by how often they are drawn. Mostly right, for streams that mostly exist: a connection error ends what can be found. */
const WEIGHTS: readonly (readonly [what: string, weight: number])[] = [
  ['request', 12],
  ['open', 8],
  ['reply', 6],
  ['send', 8],
  ['send-trailers', 2],
  ['inform', 2],
  ['reset', 2],
  ['consume', 4],
  ['writable', 3],
  ['shutdown', 0.5],
  ['tick', 1],
  ['head', 6],
  ['trailers', 2],
  ['data', 10],
  ['padded', 3],
  ['window', 4],
  ['connection-window', 4],
  ['peer-reset', 3],
  ['settings', 3],
  ['ack', 1],
  ['ping', 1],
  ['goaway', 0.3],
  ['priority', 1],
  ['noise', 0.6],
  ['bytes', 0.1],
]
const TOTAL_WEIGHT = WEIGHTS.reduce((sum, [, weight]) => sum + weight, 0)

export const http2Fuzzer = fuzzer<Input>({
  name: 'http2',
  checks:
    'HTTP/2 frames and application calls in any order, both roles: no other error, no window, bound or promise broken',
  cases: 1_000,
  generate: (random) => ({
    role: random() < 0.6 ? 'server' : 'client',
    pieceBytes: pick(random, [1, 9, 300, 100_000]),
    keepsEvery: pick(random, [1, 2, 3, 1_000]),
    steps: Array.from({ length: below(random, MAX_STEPS) }, () => drawStep(random)),
  }),
  mutate: (random, input) => ({
    ...input,
    steps: mutateList(
      random,
      input.steps,
      () => drawStep(random),
      ([what]) => [what, ...drawStep(random).slice(1)] as unknown as Step,
    ),
  }),
  run: (input) => new Round(input).run(),
})

function drawStep(random: Random): Step {
  let at = random() * TOTAL_WEIGHT
  const [what] =
    WEIGHTS.find(([, weight]) => {
      at -= weight
      return at < 0
    }) ?? WEIGHTS[0]!
  return [what, below(random, 100), below(random, 100), below(random, 100)]
}

class Round {
  readonly #input: Input
  readonly #isServer: boolean
  readonly #transport = new MemoryTransport()
  readonly #connection: Http2Connection
  readonly #streams: Http2Stream[] = []
  /** Streams whose handler must not be called any more. */
  readonly #over = new Set<Http2Stream>()
  /** What the peer, which is us, allows the connection to send. */
  readonly #sendWindows = new Map<number, number>()
  #connectionWindow = 65_535
  #initialWindow = 65_535
  /** What the connection allows the peer to send. */
  #peerWindow = 65_535
  /** An error was told by GOAWAY. */
  #isGone = false
  #isEnded = false
  #closes = 0
  #pieces = 0
  #nowMs = 0
  /** The id of the next request a client sends. */
  #nextId = 1

  constructor(input: Input) {
    this.#input = input
    this.#isServer = input.role === 'server'
    const owner = {
      onDraining() {},
      onCapacity() {},
      onReady() {},
      onRefused() {},
      onClosed: () => void this.#closes++,
    }
    this.#connection = this.#isServer
      ? new Http2Connection(this.#transport, CONFIG, owner, (_head, endStream, stream) =>
          this.#adopt(stream as Http2Stream, endStream),
        )
      : new Http2Connection(this.#transport, CONFIG, owner)
  }

  run(): void {
    const connection = this.#connection
    this.#feed(this.#isServer ? clientStart : settings())
    this.#check()
    for (const step of this.#input.steps) {
      this.#take(step)
      this.#check()
    }
    this.#transport.handler.onClose(undefined)
    equal(connection.streamCount, 0, 'streams are forgotten')
    equal(this.#closes, 1, 'the owner hears of the end once')
    for (const stream of this.#streams) ok(this.#over.has(stream), 'every handler hears of an end')
    for (const stream of this.#streams) {
      stream.sendData(Buffer.alloc(10), 0, 10, true)
      stream.consumed(MAX_WINDOW_BYTES)
      stream.reset(ErrorCode.cancel)
    }
    equal(connection.retainedBytes, 0, 'nothing stays counted')
    equal(this.#transport.take().length, 0, 'nothing is written behind the end')
  }

  #take([what, a, b, c]: Step): void {
    const connection = this.#connection
    const stream = this.#streams.length === 0 ? undefined : this.#streams[a % this.#streams.length]
    switch (what) {
      // ── The application behind the connection ──
      case 'open':
        return this.#isServer || !connection.canOpen ? undefined : this.#open(b, c)
      case 'reply':
        return this.#isServer ? stream?.sendHead(headOf(RESPONSE), b % 5 === 0) : undefined
      case 'inform':
        return this.#isServer ? stream?.sendInformational(headOf([[':status', '103']])) : undefined
      case 'send': {
        const bytes = BYTES[b % BYTES.length]!
        return void stream?.sendData(Buffer.alloc(bytes), 0, bytes, c % 5 === 0)
      }
      case 'send-trailers':
        return stream?.sendTrailers(headOf([['x-sum', '1']]))
      case 'reset':
        return stream === undefined ? undefined : this.#reset(stream)
      case 'consume':
        return stream?.consumed(b * 100)
      case 'writable':
        this.#transport.isWritable = !this.#transport.isWritable
        if (this.#transport.isWritable) this.#transport.handler.onDrain()
        return
      case 'shutdown':
        return connection.shutdown()
      case 'tick':
        this.#nowMs += b * 100
        return connection.tick(this.#nowMs)
      default:
        return this.#feed(this.#frame(what, a, b, c))
    }
  }

  // ── The application ──

  #open(b: number, c: number): void {
    const stream = this.#connection.openStream()
    stream.handler = this.#adopt(stream, false)
    if (b % 10 === 0) return this.#reset(stream)
    stream.sendHead(headOf(c % 2 === 0 ? GET : POST), b % 2 === 0)
  }

  #adopt(stream: Http2Stream, endStream: boolean): RequestHandler & ResponseHandler {
    this.#streams.push(stream)
    ok(this.#closes === 0, 'no stream behind the end of the connection')
    const hear = (isEnd = false): void => {
      ok(!this.#over.has(stream), 'no handler is called behind the end')
      if (isEnd) this.#over.add(stream)
    }
    hear(endStream)
    const onData = (_buf: Uint8Array, start: number, end: number, isEnd: boolean): void => {
      hear(isEnd)
      if (++this.#pieces % this.#input.keepsEvery !== 0) stream.consumed(end - start)
    }
    let resets = 0
    const onReset = (): void => {
      // What was received may have ended, and what is sent still fail; but only once.
      equal(++resets, 1, 'one reset')
      this.#over.add(stream)
    }
    return {
      onRequestData: onData,
      onResponseData: onData,
      onRequestTrailers: () => hear(true),
      onResponseTrailers: () => hear(true),
      onRequestReset: onReset,
      onResponseReset: onReset,
      onInformational: () => hear(),
      onResponseHead: (_head, isEnd) => hear(isEnd),
      onResponseSent() {},
      onRequestSent() {},
    }
  }

  #reset(stream: Http2Stream): void {
    stream.reset(ErrorCode.cancel)
    this.#over.add(stream)
  }

  // ── The peer ──

  #feed(bytes: Buffer): void {
    if (this.#transport.isDestroyed) return
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + Math.max(1, this.#input.pieceBytes))
      const piece = Buffer.from(bytes.subarray(at, end))
      this.#transport.handler.onBytes(piece, 0, piece.length)
      piece.fill(0xee)
      at = end
    }
  }

  #frame(what: string, a: number, b: number, c: number): Buffer {
    const isServer = this.#isServer
    if (what === 'request') return isServer ? this.#request(a, b, c) : ping()
    if (what === 'bytes')
      return Buffer.from(
        textOf(() => a / 100, 1 + b, 256),
        'latin1',
      )
    if (what === 'noise') return noise(a, b, c)
    const id = this.#knownId(a)
    const ends = b % 5 === 0 ? 'end' : 'more'
    switch (what) {
      case 'connection-window': {
        const increment = INCREMENTS[b % 4]!
        this.#connectionWindow += increment
        return windowUpdate(0, increment)
      }
      case 'settings': {
        const setting = SETTINGS[b % SETTINGS.length]!
        if (setting[0] === Setting.initialWindowSize) {
          for (const [known, window] of this.#sendWindows)
            this.#sendWindows.set(known, window + setting[1] - this.#initialWindow)
          this.#initialWindow = setting[1]
        }
        return settings([setting])
      }
      case 'ack':
        return settingsAck
      case 'goaway':
        return goaway(b % 30, ErrorCode.noError)
    }
    if (id === 0) return ping('pingpong', c % 8 === 0 ? Flag.ack : 0)
    switch (what) {
      case 'head':
        return c % 3 === 0
          ? split(id, block(HEADS[b % HEADS.length]!), c, b % 2 === 0)
          : headers(id, HEADS[isServer ? b % HEADS.length : 2 + (b % 3)]!, ends)
      case 'trailers':
        return headers(id, [['x-sum', '1']], b % 10 === 0 ? 'more' : 'end')
      case 'data':
        return data(id, BYTES[b % 7]!, c % 5 === 0 ? 'end' : 'more')
      case 'padded':
        return padded(id, b, (c * 5) % 256, ends)
      case 'window': {
        const increment = INCREMENTS[b % INCREMENTS.length]!
        this.#sendWindows.set(id, (this.#sendWindows.get(id) ?? this.#initialWindow) + increment)
        return windowUpdate(id, increment)
      }
      case 'peer-reset':
        return rstStream(id, CODES[b % CODES.length]!)
      case 'priority':
        return frame(FrameType.priority, 0, id, Buffer.alloc(5, b % 4))
      default:
        return ping()
    }
  }

  #request(a: number, b: number, c: number): Buffer {
    const id = this.#nextId
    this.#nextId += a % 10 === 0 ? 6 : 2
    const head = b % 5 === 0 ? HEADS[c % HEADS.length]! : POST
    if (a % 5 === 1) return split(id, block(head), c, b % 2 === 0)
    return headers(id, head, c % 3 === 0 ? 'end' : 'more')
  }

  /** The id of a stream that was used, however it ended; 0 when there is none. Younger ones are likelier to be open. */
  #knownId(a: number): number {
    const used = this.#streams.filter(({ id }) => id !== 0)
    if (used.length === 0) return 0
    return used[used.length - 1 - (a % Math.min(used.length, 6))]!.id
  }

  /** Reads what the connection wrote and holds it against what it may write. */
  #check(): void {
    ok(this.#transport.pendingBytes <= HTTP2_BOUNDS.maxUnsentBytes + 1_000_000, 'unsent bytes are bounded')
    ok(
      this.#connection.retainedBytes <= HTTP2_BOUNDS.maxRetainedBytes + CONFIG.initialConnectionWindowBytes,
      'content that waits is bounded',
    )
    ok(this.#connection.streamCount <= CONFIG.maxConcurrentStreams + 100, 'streams are bounded')
    const bytes = this.#transport.take()
    // Behind a FIN a real transport drops what is written; frames of the peer still arrive.
    if (this.#isEnded) return
    this.#isEnded = this.#transport.isEnded || this.#transport.isDestroyed
    let at = bytes.subarray(0, CLIENT_PREFACE.length).equals(CLIENT_PREFACE) ? CLIENT_PREFACE.length : 0
    while (at < bytes.length) {
      const length = u24(bytes, at)
      const id = u31(bytes, at + 5)
      ok(!this.#isGone, 'nothing follows a GOAWAY that says why')
      ok(length <= MAX_FRAME_BYTES, 'no frame is too large')
      ok(at + 9 + length <= bytes.length, 'frames are whole')
      switch (bytes[at + 3]) {
        case FrameType.data: {
          const window = (this.#sendWindows.get(id) ?? this.#initialWindow) - length
          this.#sendWindows.set(id, window)
          this.#connectionWindow -= length
          if (length > 0) ok(window >= 0, `stream ${id} sent into its window`)
          ok(this.#connectionWindow >= 0, 'the connection sent into its window')
          break
        }
        case FrameType.windowUpdate:
          ok(u31(bytes, at + 9) > 0, 'no WINDOW_UPDATE of 0')
          if (id === 0) this.#peerWindow += u31(bytes, at + 9)
          ok(this.#peerWindow <= MAX_WINDOW_BYTES)
          break
        case FrameType.goaway:
          if (u32(bytes, at + 13) !== ErrorCode.noError) this.#isGone = true
          break
        case FrameType.headers:
          ok((bytes[at + 4]! & Flag.endHeaders) !== 0 || length === MAX_FRAME_BYTES)
          break
      }
      at += 9 + length
    }
  }
}

/** Any frame type with any flags; what opens a window is counted elsewhere. */
function noise(a: number, b: number, c: number): Buffer {
  const type = a % 12
  if (type === FrameType.windowUpdate || type === FrameType.settings) return ping()
  return frame(type, (b * 3) % 256, c % 20, Buffer.alloc((a + b + c) % 30, c))
}

function split(id: number, bytes: Buffer, c: number, endStream: boolean): Buffer {
  const at = c % bytes.length
  return Buffer.concat([
    frame(FrameType.headers, endStream ? Flag.endStream : 0, id, bytes.subarray(0, at)),
    frame(FrameType.continuation, Flag.endHeaders, id, bytes.subarray(at)),
  ])
}

function headOf(fields: Fields): Head {
  const head = new Head()
  for (const [name, value] of fields) {
    if (name === ':status') head.setStatus(Number(value))
    else head.add(name, value)
  }
  return head
}
