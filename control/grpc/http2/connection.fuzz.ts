/**
 * HTTP/2 frames in sequence against the control plane's server, with calls behind it that answer now, later or never.
 *
 * Whatever comes, the connection answers with frames or ends with GOAWAY; nothing else is thrown. It sends no more than the
 * windows it was given, opens no more streams than it announced, tells every call of one end at most, and writes nothing
 * behind its own end.
 */
import { equal, ok } from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { below, mutateList, pick, textOf } from '../../../test/fuzz/draw.ts'
import { fuzzer, type Random } from '../../../test/fuzz/fuzzer.ts'
import { Http2Connection } from './connection.ts'
import { encodeFields } from './hpack.ts'
import { DEFAULT_WINDOW_BYTES, Flag, FrameType, frame, MAX_FRAME_BYTES, PREFACE, Setting } from './protocol.ts'
import type { Http2Stream } from './stream.ts'

/** A frame; its payload in latin1. */
type Step = readonly [type: number, flags: number, streamId: number, payload: string]
type Input = {
  readonly pieceBytes: number
  /** 0: calls are never answered; else every so many are, at once. */
  readonly answersEvery: number
  readonly hasPreface: boolean
  readonly steps: readonly Step[]
}

const MAX_STEPS = 40
const MAX_STREAMS = 5
const TYPES = Object.values(FrameType)
const REQUEST = encodeFields([
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/io.linkerd.proxy.destination.Destination/Get'],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
]).toString('latin1')
const SETTINGS = [Setting.INITIAL_WINDOW_SIZE, Setting.MAX_FRAME_SIZE, Setting.HEADER_TABLE_SIZE, 99]
const NUMBERS = [0, 1, 5, 100, 16_384, 65_535, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]

export const controlHttp2Fuzzer = fuzzer<Input>({
  name: 'control-http2',
  checks: "the control plane's HTTP/2 server: frames or GOAWAY, within the windows and streams of both sides; no throw",
  cases: 1_500,
  generate: (random) => ({
    pieceBytes: pick(random, [1, 7, 100, 100_000]),
    answersEvery: below(random, 4),
    hasPreface: random() < 0.97,
    steps: Array.from({ length: below(random, MAX_STEPS) }, () => step(random)),
  }),
  mutate: (random, input) => ({
    ...input,
    steps: mutateList(random, input.steps, () => step(random)).slice(0, MAX_STEPS),
  }),
  async run(input) {
    const peer = new Peer(input)
    peer.hears(input.hasPreface ? PREFACE : Buffer.from('GET / HTTP/1.1\r\n\r\n'))
    peer.hears(frame(FrameType.SETTINGS, 0, 0, Buffer.of()))
    for (const [type, flags, streamId, payload] of input.steps) {
      peer.hears(
        frame(type, flags & 0xff, streamId & 0x7fff_ffff, Buffer.from(payload, 'latin1').subarray(0, MAX_FRAME_BYTES)),
      )
      // What is answered leaves at the end of a turn.
      if (streamId % 4 === 1) await turn()
      peer.check()
    }
    await turn()
    peer.check()
    peer.connection.tick()
    peer.connection.destroy()
    await turn()
    peer.checkEnd()
  },
})

function step(random: Random): Step {
  const streamId = pick(random, [0, 1, 3, 5, 7, 9, 11, 13, 2])
  const flags = pick(random, [
    0,
    Flag.END_STREAM,
    Flag.END_HEADERS,
    Flag.END_HEADERS | Flag.END_STREAM,
    Flag.PADDED,
    0xff,
  ])
  switch (pick(random, ['request', 'request', 'message', 'window', 'settings', 'ping', 'reset', 'any'])) {
    case 'request':
      return [FrameType.HEADERS, Flag.END_HEADERS | below(random, 2), streamId, REQUEST]
    case 'message':
      return [FrameType.DATA, below(random, 2), streamId, `\0\0\0\0\x03${textOf(random, 3)}`]
    case 'window':
      return [FrameType.WINDOW_UPDATE, 0, streamId, numberOf(pick(random, NUMBERS))]
    case 'settings':
      return [
        FrameType.SETTINGS,
        below(random, 2),
        0,
        `\0${String.fromCharCode(pick(random, SETTINGS))}${numberOf(pick(random, NUMBERS))}`,
      ]
    case 'ping':
      return [FrameType.PING, below(random, 2), 0, textOf(random, 8)]
    case 'reset':
      return [FrameType.RST_STREAM, 0, streamId, numberOf(8)]
    default:
      return [pick(random, [...TYPES, 77]), flags, streamId, textOf(random, below(random, 40))]
  }
}

function numberOf(value: number): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes.toString('latin1')
}

/** The other end: counts what it gives and what it gets. */
class Peer {
  readonly connection: Http2Connection
  readonly #input: Input
  readonly #socket = new EventEmitter()
  readonly #open = new Set<Http2Stream>()
  #out = Buffer.alloc(0)
  #isEnded = false
  #closedTimes = 0
  #requests = 0
  #sentBytes = 0
  #givenBytes = DEFAULT_WINDOW_BYTES

  constructor(input: Input) {
    this.#input = input
    const write = (bytes: Uint8Array): boolean => {
      ok(!this.#isEnded, 'nothing is written behind the end')
      this.#out = Buffer.concat([this.#out, bytes])
      return true
    }
    const socket = Object.assign(this.#socket, {
      writableNeedDrain: false,
      writableLength: 0,
      setNoDelay: () => {},
      write,
      end: (bytes?: Uint8Array) => {
        if (bytes !== undefined) write(bytes)
        this.#isEnded = true
      },
      destroy: () => {
        this.#isEnded = true
      },
    })
    this.connection = new Http2Connection(socket as unknown as Socket, {
      onRequest: (stream) => this.#onRequest(stream),
      onClosed: () => this.#closedTimes++,
      nowMs: () => 0,
      maxStreams: MAX_STREAMS,
      streamWindowBytes: 1_000,
      keepAliveMs: { time: 60_000, timeout: 20_000 },
    })
  }

  hears(bytes: Buffer): void {
    if (this.#isEnded) return
    if (bytes[3] === FrameType.WINDOW_UPDATE && bytes.length === 13 && bytes.readUInt32BE(5) === 0)
      this.#givenBytes += bytes.readUInt32BE(9) & 0x7fff_ffff
    for (let at = 0; at < bytes.length && !this.#isEnded; at += this.#input.pieceBytes)
      this.#socket.emit('data', bytes.subarray(at, at + this.#input.pieceBytes))
  }

  #onRequest(stream: Http2Stream): void {
    this.#open.add(stream)
    ok(this.#open.size <= MAX_STREAMS, `${this.#open.size} streams at once`)
    let ends = 0
    stream.receiver = {
      onData: () => ok(ends === 0, 'no content behind the end'),
      onEnd: () => equal(ends++, 0, 'one end'),
      onReset: () => {
        ok(this.#open.delete(stream), 'one end of a call')
      },
    }
    const { answersEvery } = this.#input
    if (answersEvery === 0 || this.#requests++ % answersEvery !== 0) return
    stream.respond(encodeFields([[':status', '200']]))
    stream.write(Buffer.alloc(20_000), () => {})
    stream.end(encodeFields([['grpc-status', '0']]))
    this.#open.delete(stream)
    // An answered call may still be told that its client has gone.
    const { receiver } = stream
    stream.receiver = { ...receiver, onReset: () => {} }
  }

  /** What was written are whole frames, within what was given. */
  check(): void {
    let at = 0
    while (this.#out.length - at >= 9) {
      const length = this.#out.readUIntBE(at, 3)
      ok(length <= MAX_FRAME_BYTES, `a frame of ${length} bytes`)
      ok(this.#out.length >= at + 9 + length, 'whole frames')
      if (this.#out[at + 3] === FrameType.DATA) this.#sentBytes += length
      at += 9 + length
    }
    equal(at, this.#out.length, 'whole frames')
    this.#out = Buffer.alloc(0)
    ok(this.#sentBytes <= this.#givenBytes, `${this.#sentBytes} bytes in a window of ${this.#givenBytes}`)
  }

  checkEnd(): void {
    equal(this.#closedTimes, 1, 'its owner hears once that it is closed')
    equal(this.#open.size, 0, 'every call hears of its end')
  }
}
