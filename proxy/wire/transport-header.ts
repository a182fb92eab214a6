/**
 * The transport header: what a proxy says first on a mesh connection that negotiated ALPN `transport.l5d.io/v1`: which
 * port (or gateway target) the connection is for, and which protocol follows.
 *
 * A preface, a length, and one small protobuf message, written and read by hand: it is needed per connection, and the
 * schema has not changed since it was made. Unknown fields are skipped, as protobuf wants it.
 */
import { copyBytes, u32, writeU32 } from './bytes.ts'

export const TRANSPORT_ALPN = 'transport.l5d.io/v1'

const PREFACE = Buffer.from(`${TRANSPORT_ALPN}\r\n\r\n`, 'latin1')
const LENGTH_BYTES = 4
/** Largest message that is read. */
export const MAX_TRANSPORT_HEADER_BYTES = 64 * 1024

export interface TransportHeader {
  /** 1 to 65535. */
  readonly port: number
  /** A gateway's target authority; absent or empty for the peer's own pod. */
  readonly name?: string | undefined
  /** Absent: bytes without a known protocol follow. */
  readonly sessionProtocol?: 'http1' | 'http2' | undefined
}

// Protobuf tags: field number << 3 | wire type.
const TAG = { port: 0x08, name: 0x12, sessionProtocol: 0x1a, http1: 0x0a, http2: 0x12 } as const
/** Fields are counted from 1 to 2^29 - 1. */
const MIN_TAG = 8
const MAX_TAG = 0xffff_ffff
/** Strict, as protobuf wants strings: a name must not become another one. */
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const WireType = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const

export function encodeTransportHeader(header: TransportHeader): Buffer {
  const name = Buffer.from(header.name ?? '', 'utf8')
  const message: number[] = []
  if (header.port !== 0) message.push(TAG.port, ...varint(header.port))
  if (name.length > 0) message.push(TAG.name, ...varint(name.length), ...name)
  if (header.sessionProtocol !== undefined) message.push(TAG.sessionProtocol, 2, TAG[header.sessionProtocol], 0)
  const bytes = Buffer.alloc(PREFACE.length + LENGTH_BYTES + message.length)
  const at = copyBytes(PREFACE, 0, PREFACE.length, bytes, 0)
  writeU32(bytes, at, message.length)
  bytes.set(message, at + LENGTH_BYTES)
  return bytes
}

/**
 * Reads the header at the start of `buf[start, end)`.
 *
 * @returns the header and how many bytes it took, `undefined` when more are needed
 * @throws Error when the bytes are no transport header
 */
export function parseTransportHeader(
  buf: Uint8Array,
  start: number,
  end: number,
): { readonly header: TransportHeader; readonly consumed: number } | undefined {
  const available = end - start
  for (let i = 0; i < Math.min(available, PREFACE.length); i++) {
    if (buf[start + i] !== PREFACE[i])
      throw new Error(`the peer did not begin with a transport header (byte ${i} differs)`)
  }
  if (available < PREFACE.length + LENGTH_BYTES) return undefined
  const length = u32(buf, start + PREFACE.length)
  if (length > MAX_TRANSPORT_HEADER_BYTES) {
    throw new Error(`the transport header has ${length} bytes, ${MAX_TRANSPORT_HEADER_BYTES} are allowed`)
  }
  const consumed = PREFACE.length + LENGTH_BYTES + length
  if (available < consumed) return undefined
  return { header: parseHeader(new Reader(buf, start + consumed - length, start + consumed)), consumed }
}

function parseHeader(reader: Reader): TransportHeader {
  let port = 0
  let name: string | undefined
  let sessionProtocol: TransportHeader['sessionProtocol']
  while (!reader.isDone) {
    const tag = reader.varint()
    if (tag === TAG.port) port = reader.varint()
    else if (tag === TAG.name) name = reader.bytes().text()
    else if (tag === TAG.sessionProtocol) sessionProtocol = parseSessionProtocol(reader.bytes()) ?? sessionProtocol
    else reader.skip(tag)
  }
  if (port < 1 || port > 65_535) throw new Error(`the transport header names port ${port}, which does not exist`)
  return { port, name, sessionProtocol }
}

function parseSessionProtocol(reader: Reader): TransportHeader['sessionProtocol'] {
  let kind: TransportHeader['sessionProtocol']
  while (!reader.isDone) {
    const tag = reader.varint()
    if (tag === TAG.http1) kind = 'http1'
    else if (tag === TAG.http2) kind = 'http2'
    reader.skip(tag)
  }
  return kind
}

/** Reads protobuf values one after the other; every read is bounded by the message. */
class Reader {
  readonly #buf: Uint8Array
  #at: number
  readonly #end: number

  constructor(buf: Uint8Array, start: number, end: number) {
    this.#buf = buf
    this.#at = start
    this.#end = end
  }

  get isDone(): boolean {
    return this.#at >= this.#end
  }

  /** A varint of at most 10 bytes. Values that matter here fit a double; a negative int32 becomes huge and is refused. */
  varint(): number {
    let value = 0
    for (let place = 0; place < 10; place++) {
      if (this.isDone) break
      const byte = this.#buf[this.#at++]!
      value += (byte & 0x7f) * 2 ** (7 * place)
      if (byte < 0x80) return value
    }
    throw new Error('the transport header ends inside a number')
  }

  bytes(): Reader {
    const length = this.varint()
    if (length > this.#end - this.#at) throw new Error('the transport header ends inside a field')
    this.#at += length
    return new Reader(this.#buf, this.#at - length, this.#at)
  }

  text(): string {
    try {
      return UTF8.decode(this.#buf.subarray(this.#at, this.#end))
    } catch {
      throw new Error('the transport header names a target that is not UTF-8')
    }
  }

  skip(tag: number): void {
    if (tag < MIN_TAG || tag > MAX_TAG) throw new Error('the transport header has a field whose number does not exist')
    switch (tag % 8) {
      case WireType.varint:
        this.varint()
        return
      case WireType.bytes:
        this.bytes()
        return
      case WireType.fixed32:
        this.#advance(4)
        return
      case WireType.fixed64:
        this.#advance(8)
        return
      default:
        throw new Error(`the transport header has a field of wire type ${tag % 8}`)
    }
  }

  #advance(bytes: number): void {
    if (bytes > this.#end - this.#at) throw new Error('the transport header ends inside a field')
    this.#at += bytes
  }
}

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
  return [...bytes, rest]
}
