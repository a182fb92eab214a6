/**
 * HTTP/2 frames at random against a server and a client. Whatever comes, a connection answers with frames or ends with
 * GOAWAY; nothing else is thrown. Its own promises hold all the time: it sends no more than the windows it was given, opens
 * no window beyond 2^31-1, calls no handler behind a reset or an end, and forgets every stream when it is over.
 */
import { equal, ok } from 'node:assert/strict'
import { u24, u31, u32 } from '../wire/bytes.ts'
import { ErrorCode } from '../wire/connection-error.ts'
import { CLIENT_PREFACE, Flag, FrameType, Setting } from '../wire/frame.ts'
import { Head } from '../wire/head.ts'
import { below, pick } from '../wire/seeded-random.ts'
import { DEFAULT_HTTP2, MAX_FRAME_BYTES } from './http2-config.ts'
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

const MAX_STEPS = 60
const MAX_WINDOW_BYTES = 0x7fff_ffff
const CONFIG = {
  ...DEFAULT_HTTP2,
  initialStreamWindowBytes: 5_000,
  initialConnectionWindowBytes: 80_000,
  maxConcurrentStreams: 5,
  maxHeaderListBytes: 2_000,
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
]

export function fuzz(random: () => number, iterations: number): void {
  for (let round = 0; round < iterations; round++) new Round(random).run(random() < 0.6)
}

class Round {
  readonly #random: () => number
  readonly #transport = new MemoryTransport()
  readonly #streams: Http2Stream[] = []
  /** Streams whose handler must not be called any more. */
  readonly #over = new Set<Http2Stream>()
  /** What the peer, which is us, allows the connection to send. */
  readonly #sendWindows = new Map<number, number>()
  #connectionWindow = 65_535
  #initialWindow = 65_535
  /** What the connection allows the peer to send. */
  #peerWindow = 65_535
  #isGone = false
  #closes = 0
  /** The id of the next request a client sends. */
  #nextId = 1

  constructor(random: () => number) {
    this.#random = random
  }

  run(isServer: boolean): void {
    const owner = {
      onDraining() {},
      onCapacity() {},
      onReady() {},
      onRefused() {},
      onClosed: () => void this.#closes++,
    }
    const connection = isServer
      ? new Http2Connection(this.#transport, CONFIG, owner, (_head, _end, stream) => this.#adopt(stream as Http2Stream))
      : new Http2Connection(this.#transport, CONFIG, owner)
    this.#feed(isServer ? clientStart : settings())
    const steps = below(this.#random, MAX_STEPS)
    for (let step = 0; step < steps; step++) {
      if (!isServer && connection.canOpen && this.#random() < 0.3) this.#open(connection)
      if (this.#random() < 0.5) this.#act(isServer)
      else this.#feed(this.#frame(isServer))
      if (this.#random() < 0.05) this.#drain()
      if (this.#random() < 0.02) connection.shutdown()
      this.#check()
    }
    this.#transport.handler.onClose(undefined)
    equal(connection.streamCount, 0, 'streams are forgotten')
    equal(this.#closes, 1, 'the owner hears of the end once')
    for (const stream of this.#streams) stream.consumed(MAX_WINDOW_BYTES)
    for (const stream of this.#streams) stream.reset(ErrorCode.cancel)
    equal(connection.retainedBytes, 0, 'nothing stays counted')
  }

  // ── The application behind the connection ──

  #open(connection: Http2Connection): void {
    const stream = connection.openStream()
    stream.handler = this.#adopt(stream)
    if (this.#random() < 0.1) return this.#reset(stream)
    stream.sendHead(headOf(pick(this.#random, [GET, POST])), this.#random() < 0.5)
  }

  #adopt(stream: Http2Stream): RequestHandler & ResponseHandler {
    this.#streams.push(stream)
    const hear = (endStream = false): void => {
      ok(!this.#over.has(stream), 'no handler is called behind the end')
      if (endStream) this.#over.add(stream)
    }
    const onData = (_buf: Uint8Array, start: number, end: number, endStream: boolean): void => {
      hear(endStream)
      if (this.#random() < 0.7) stream.consumed(end - start)
    }
    const onReset = (): void => {
      // What was received has ended, but what is sent may still fail.
      this.#over.delete(stream)
      hear(true)
    }
    return {
      onRequestData: onData,
      onResponseData: onData,
      onRequestTrailers: () => hear(true),
      onResponseTrailers: () => hear(true),
      onRequestReset: onReset,
      onResponseReset: onReset,
      onInformational: () => hear(),
      onResponseHead: (_head, endStream) => hear(endStream),
      onResponseSent() {},
      onRequestSent() {},
    }
  }

  /** Something an assembly may do with a stream, in any order. */
  #act(isServer: boolean): void {
    if (this.#streams.length === 0) return
    const stream = pick(this.#random, this.#streams)
    switch (below(this.#random, isServer ? 7 : 5)) {
      case 0:
        return this.#reset(stream)
      case 1:
        return stream.consumed(below(this.#random, 10_000))
      case 2:
        return void stream.sendTrailers(headOf([['x-sum', '1']]))
      case 3:
      case 4: {
        const bytes = pick(this.#random, [0, 1, 100, 20_000, 70_000])
        return void stream.sendData(Buffer.alloc(bytes), 0, bytes, this.#random() < 0.2)
      }
      case 5:
        return stream.sendInformational(headOf([[':status', '103']]))
      default:
        return stream.sendHead(headOf(RESPONSE), this.#random() < 0.2)
    }
  }

  #reset(stream: Http2Stream): void {
    stream.reset(ErrorCode.cancel)
    this.#over.add(stream)
  }

  #drain(): void {
    this.#transport.isWritable = !this.#transport.isWritable
    if (this.#transport.isWritable) this.#transport.handler.onDrain()
  }

  // ── The peer ──

  #feed(bytes: Buffer): void {
    if (this.#isGone) return
    let at = 0
    while (at < bytes.length) {
      const end = Math.min(bytes.length, at + 1 + below(this.#random, 300))
      const piece = Buffer.from(bytes.subarray(at, end))
      this.#transport.handler.onBytes(piece, 0, piece.length)
      piece.fill(0xee)
      at = end
    }
  }

  /** A frame that is mostly right, for a stream that mostly exists: a connection error ends what can be found. */
  #frame(isServer: boolean): Buffer {
    const random = this.#random
    if (random() < 0.02) return this.#noise()
    if (isServer && (this.#nextId === 1 || random() < 0.2)) return this.#newRequest()
    const id = this.#knownId()
    if (id === 0) return ping()
    const ends = random() < 0.2 ? 'end' : 'more'
    switch (below(random, 12)) {
      case 0:
        return isServer ? headers(id, [['x-sum', '1']], random() < 0.9 ? 'end' : 'more') : headers(id, RESPONSE, ends)
      case 1:
      case 2:
      case 3:
        return data(id, pick(random, [0, 1, 10, 1_000, 2_000]), ends)
      case 4:
        return padded(id, below(random, 100), below(random, 256), ends)
      case 5: {
        const increment = pick(random, [1, 100, 100_000, MAX_WINDOW_BYTES, 0])
        this.#sendWindows.set(id, (this.#sendWindows.get(id) ?? this.#initialWindow) + increment)
        return windowUpdate(id, increment)
      }
      case 6: {
        const increment = pick(random, [1, 1_000, 100_000])
        this.#connectionWindow += increment
        return windowUpdate(0, increment)
      }
      case 7:
        return rstStream(id, pick(random, [ErrorCode.cancel, ErrorCode.refusedStream, 99]))
      case 8: {
        const value = pick(random, [0, 10, 1_000, 65_535, 1_000_000])
        for (const [known, window] of this.#sendWindows)
          this.#sendWindows.set(known, window + value - this.#initialWindow)
        this.#initialWindow = value
        return settings([[Setting.initialWindowSize, value]])
      }
      case 9:
        return random() < 0.2 ? goaway(below(random, 30), ErrorCode.noError) : pick(random, [ping(), settingsAck])
      case 10:
        return isServer ? ping() : split(id, block(pick(random, [RESPONSE, [[':status', '103']]])), random)
      default:
        return frame(FrameType.priority, 0, id, Buffer.alloc(5, 2))
    }
  }

  #newRequest(): Buffer {
    const random = this.#random
    const id = this.#nextId
    this.#nextId += random() < 0.9 ? 2 : 6
    if (random() < 0.2) return split(id, block(pick(random, HEADS)), random)
    return headers(id, random() < 0.8 ? POST : pick(random, HEADS), random() < 0.3 ? 'end' : 'more')
  }

  /** The id of a stream that was used, however it ended; 0 when there is none. Younger ones are likelier to be open. */
  #knownId(): number {
    const used = this.#streams.filter(({ id }) => id !== 0)
    if (used.length === 0) return 0
    return used[used.length - 1 - below(this.#random, Math.min(used.length, 6))]!.id
  }

  #noise(): Buffer {
    const random = this.#random
    const id = below(random, 20)
    const type = below(random, 12)
    // What opens a window is counted elsewhere.
    if (type === FrameType.windowUpdate || type === FrameType.settings) return ping()
    return frame(type, below(random, 256), id, Buffer.alloc(below(random, 30), below(random, 256)))
  }

  /** Reads what the connection wrote and holds it against what it may write. */
  #check(): void {
    const bytes = this.#transport.take()
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
    if (this.#transport.isEnded || this.#transport.isDestroyed) this.#isGone = true
  }
}

function split(id: number, bytes: Buffer, random: () => number): Buffer {
  const at = below(random, bytes.length)
  return Buffer.concat([
    frame(FrameType.headers, random() < 0.5 ? Flag.endStream : 0, id, bytes.subarray(0, at)),
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
