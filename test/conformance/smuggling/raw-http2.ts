/** An HTTP/2 client made of frames and field lines, so that a test can say what HTTP libraries refuse to say. */
import type { Socket } from 'node:net'
import { data, frame } from '../../../proxy/http/test-frames.ts'
import { u24, u31, u32 } from '../../../proxy/wire/bytes.ts'
import { errorName } from '../../../proxy/wire/connection-error.ts'
import { CLIENT_PREFACE, Flag, FRAME_HEADER_LENGTH, FrameType } from '../../../proxy/wire/frame.ts'
import { Head } from '../../../proxy/wire/head.ts'
import { HpackDecoder } from '../../../proxy/wire/hpack-decoder.ts'
import { encodeHuffman } from '../../../proxy/wire/huffman.ts'
import { connectTcp } from '../../proxy/apps.ts'

/** Longer than any answer takes: a case that runs into it has failed. */
const HANGING_MS = 10_000
const HUFFMAN_BIT = 0x80

export type Fields = readonly (readonly [name: string, value: string])[]

/** How field lines are written (RFC 7541 §6). `indexed` refers to what `indexing` put into the table just before. */
export type Coding = 'plain' | 'huffman' | 'indexing' | 'indexed'

export function fieldBlock(fields: Fields, coding: Coding): Buffer {
  if (coding === 'indexed') {
    // The static table has 61 entries; the field that was added last is the next.
    return Buffer.from(fields.map((_, at) => 0x80 | (62 + fields.length - 1 - at)))
  }
  const first = Buffer.from([coding === 'indexing' ? 0x40 : 0])
  return Buffer.concat(fields.flatMap(([name, value]) => [first, text(name, coding), text(value, coding)]))
}

function text(latin1: string, coding: Coding): Buffer {
  const bytes = coding === 'huffman' ? encodeHuffman(latin1) : Buffer.from(latin1, 'latin1')
  const bit = coding === 'huffman' ? HUFFMAN_BIT : 0
  const length = bytes.length < 0x7f ? [bit | bytes.length] : [bit | 0x7f, ...rest(bytes.length - 0x7f)]
  return Buffer.concat([Buffer.from(length), bytes])
}

function rest(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...rest(value >> 7)]
}

export class RawHttp2 {
  readonly #socket: Socket
  readonly #decoder = new HpackDecoder(4_096)
  readonly #head = new Head()
  #unread = Buffer.alloc(0)
  #outcomes = new Map<number, string>()
  #statuses = new Map<number, number>()
  #contents = new Map<number, string>()
  #connection: string | undefined = undefined
  #wake: () => void = () => {}

  static async connect(port: number): Promise<RawHttp2> {
    const socket = await connectTcp(port)
    const client = new RawHttp2(socket)
    socket.write(
      Buffer.concat([CLIENT_PREFACE, frame(FrameType.settings, 0, 0), frame(FrameType.settings, Flag.ack, 0)]),
    )
    return client
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (bytes: Buffer) => this.#read(bytes))
    const onEnd = () => {
      this.#connection ??= 'ended'
      this.#wake()
    }
    socket.on('end', onEnd)
    socket.on('close', onEnd)
  }

  headers(streamId: number, block: Buffer, ends: boolean): void {
    this.#socket.write(frame(FrameType.headers, Flag.endHeaders | (ends ? Flag.endStream : 0), streamId, block))
  }

  data(streamId: number, content: string, ends: boolean): void {
    this.#socket.write(data(streamId, content, ends ? 'end' : 'more'))
  }

  close(): void {
    this.#socket.destroy()
  }

  /** How a stream ended: `200 content`, the code of its reset, or that of the connection's GOAWAY. */
  async outcome(streamId: number): Promise<string> {
    for (;;) {
      const outcome = this.#outcomes.get(streamId) ?? this.#connection
      if (outcome !== undefined) return outcome
      const isHanging = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(resolve, HANGING_MS, true)
        this.#wake = () => {
          clearTimeout(timer)
          resolve(false)
        }
      })
      if (isHanging) return 'hangs'
    }
  }

  #read(bytes: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, bytes])
    while (this.#unread.length >= FRAME_HEADER_LENGTH) {
      const end = FRAME_HEADER_LENGTH + u24(this.#unread, 0)
      if (this.#unread.length < end) break
      const type = this.#unread[3]!
      const flags = this.#unread[4]!
      const streamId = u31(this.#unread, 5)
      this.#onFrame(type, flags, streamId, this.#unread.subarray(FRAME_HEADER_LENGTH, end))
      this.#unread = this.#unread.subarray(end)
    }
    this.#wake()
  }

  #onFrame(type: number, flags: number, streamId: number, payload: Buffer): void {
    switch (type) {
      case FrameType.headers:
        this.#decoder.decode(
          this.#head,
          payload,
          0,
          payload.length,
          this.#statuses.has(streamId) ? 'trailers' : 'response',
        )
        if (!this.#statuses.has(streamId)) this.#statuses.set(streamId, this.#head.status)
        break
      case FrameType.data:
        this.#contents.set(streamId, (this.#contents.get(streamId) ?? '') + payload.toString('latin1'))
        break
      case FrameType.rstStream:
        // What follows a complete response takes nothing back.
        if (!this.#outcomes.has(streamId)) this.#outcomes.set(streamId, errorName(u32(payload, 0)))
        return
      case FrameType.goaway:
        this.#connection = `GOAWAY ${errorName(u32(payload, 4))}`
        return
      default:
        return
    }
    if ((flags & Flag.endStream) === 0) return
    const content = this.#contents.get(streamId)
    const status = this.#statuses.get(streamId)
    this.#outcomes.set(streamId, content === undefined ? `${status}` : `${status} ${content}`)
  }
}
