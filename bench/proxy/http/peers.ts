/** The client and the application around a proxy under test, as cheap as can be: frames by template, no state but ids. */
import { u24, u31, writeU32 } from '../../../proxy/wire/bytes.ts'
import { CLIENT_PREFACE, Flag, FrameType } from '../../../proxy/wire/frame.ts'
import {
  writeDataHeader,
  writeFrameHeader,
  writeSettings,
  writeWindowUpdate,
} from '../../../proxy/wire/frame-writer.ts'
import { MemoryOutput } from '../../../proxy/wire/output.ts'
import { http1Request, http2Request } from '../../load/request.ts'
import type { BenchTransport } from './memory.ts'

const WINDOW_BYTES = 0x7fff_0000
const CREDIT_BYTES = 0x1000_0000

function opening(preface: Buffer): MemoryOutput {
  const out = new MemoryOutput()
  out.ensure(preface.length)
  out.at = preface.copy(out.buf, 0)
  writeSettings(out, [[4, WINDOW_BYTES]])
  writeWindowUpdate(out, 0, CREDIT_BYTES)
  return out
}

/** Sends requests with fields of their own and counts the responses. */
export class BenchClient {
  /** Written by `request`, for the proxy to read. */
  readonly out = opening(CLIENT_PREFACE)
  readonly #bodyBytes: number
  readonly #template
  #streamId = 1
  #count = 0
  #credit = 0
  responses = 0

  constructor(bodyBytes: number) {
    this.#bodyBytes = bodyBytes
    this.#template = http2Request({ kind: 'web', authority: 'web.shop.svc.cluster.local', bodyBytes })
  }

  request(): void {
    const { out } = this
    const { bytes } = this.#template
    const id = this.#streamId
    this.#streamId += 2
    out.ensure(100 + bytes.length + this.#bodyBytes)
    const ends = this.#bodyBytes === 0 ? Flag.endStream : 0
    writeFrameHeader(out, bytes.length, FrameType.headers, Flag.endHeaders | ends, id)
    bytes.copy(out.buf, out.at)
    this.#template.stamp(out.buf, out.at, this.#count++)
    out.at += bytes.length
    if (this.#bodyBytes === 0) return
    writeDataHeader(out, this.#bodyBytes, id, true)
    out.at += this.#bodyBytes
  }

  /** Reads what the proxy wrote. */
  read(buf: Buffer, end: number): void {
    for (let at = 0; at < end; ) {
      const length = u24(buf, at)
      const type = buf[at + 3]!
      if (type === FrameType.goaway) throw new Error(`GOAWAY: ${buf.toString('latin1', at + 17, at + 9 + length)}`)
      if (type === FrameType.rstStream) throw new Error(`stream ${u31(buf, at + 5)} was reset`)
      if (type === FrameType.data) this.#credit += length
      if (type <= FrameType.headers && (buf[at + 4]! & Flag.endStream) !== 0) this.responses++
      at += 9 + length
    }
    if (this.#credit < CREDIT_BYTES / 2) return
    writeWindowUpdate(this.out, 0, this.#credit)
    this.#credit = 0
  }
}

/** Answers each request with the same head and some content. */
export class BenchApp {
  readonly out = opening(Buffer.alloc(0))
  readonly #answer: Buffer
  #isFirst = true
  #credit = 0

  constructor(bodyBytes: number) {
    // :status 200, content-type: application/json, content-length, date; literals without indexing.
    const head = Buffer.from([
      0x88,
      ...literal(0x0f, 31 - 15, 'application/json'),
      ...literal(0x0f, 28 - 15, String(bodyBytes)),
      ...literal(0x0f, 33 - 15, 'Sat, 01 Mar 2026 10:00:00 GMT'),
    ])
    const out = new MemoryOutput()
    writeFrameHeader(out, head.length, FrameType.headers, Flag.endHeaders | (bodyBytes === 0 ? Flag.endStream : 0), 0)
    out.ensure(head.length + 9 + bodyBytes)
    out.at += head.copy(out.buf, out.at)
    if (bodyBytes > 0) {
      writeDataHeader(out, bodyBytes, 0, true)
      out.at += bodyBytes
    }
    this.#answer = out.taken()
  }

  read(buf: Buffer, end: number): void {
    let at = this.#isFirst ? CLIENT_PREFACE.length : 0
    this.#isFirst = false
    while (at < end) {
      const length = u24(buf, at)
      const type = buf[at + 3]!
      if (type === FrameType.data) this.#credit += length
      if (type <= FrameType.headers && (buf[at + 4]! & Flag.endStream) !== 0) this.#reply(u31(buf, at + 5))
      at += 9 + length
    }
    if (this.#credit < 100_000) return
    writeWindowUpdate(this.out, 0, this.#credit)
    this.#credit = 0
  }

  #reply(id: number): void {
    const { out } = this
    const answer = this.#answer
    out.ensure(answer.length)
    answer.copy(out.buf, out.at)
    for (let at = 0; at < answer.length; at += 9 + u24(answer, at)) writeU32(out.buf, out.at + at + 5, id)
    out.at += answer.length
  }
}

/** An HTTP/1 client on many connections: sends requests with fields of their own, reads no more than that an answer came. */
export class Http1Client {
  readonly #message: Buffer
  readonly #template
  #count = 0
  responses = 0

  constructor(bodyBytes: number) {
    this.#template = http1Request({ kind: 'web', authority: 'web.shop.svc.cluster.local', bodyBytes })
    this.#message = Buffer.concat([this.#template.bytes, Buffer.alloc(bodyBytes)])
  }

  request(connection: BenchTransport): void {
    this.#template.stamp(this.#message, 0, this.#count++)
    connection.handler.onBytes(this.#message, 0, this.#message.length)
  }

  read(connection: BenchTransport): void {
    if (connection.buf[9] !== 0x32) throw new Error(connection.buf.toString('latin1', 0, connection.at))
    connection.at = 0
    this.responses++
  }
}

/** Answers whatever came whole on an HTTP/1 connection with the same head and content. */
export class Http1App {
  readonly #answer: Buffer

  constructor(bodyBytes: number) {
    const head = `content-type: application/json\r\ncontent-length: ${bodyBytes}\r\ndate: Sat, 01 Mar 2026 10:00:00 GMT`
    this.#answer = Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n`), Buffer.alloc(bodyBytes)])
  }

  answer(connection: BenchTransport): void {
    connection.at = 0
    connection.handler.onBytes(this.#answer, 0, this.#answer.length)
  }
}

function literal(first: number, rest: number, value: string): number[] {
  return [first, rest, value.length, ...Buffer.from(value)]
}
