/**
 * Reads the ClientHello of TLS (RFC 8446 §4.1.2) as far as it is needed to decide whose connection this is: SNI and ALPN.
 *
 * A hello with a hybrid key share has about 1.5 kB, so it comes in more than one segment, and a client may split it over
 * several records. Nothing here is trusted: the TLS stack reads the same bytes again.
 */
import { u16, u24 } from './bytes.ts'

export type ClientHello =
  | { readonly kind: 'partial' }
  | { readonly kind: 'not-tls' }
  /** `sni` in lower case; `alpn` in the client's order. */
  | { readonly kind: 'hello'; readonly sni: string | undefined; readonly alpn: readonly string[] }

/** A longer hello is treated as something else. */
export const MAX_CLIENT_HELLO_BYTES = 16 * 1024

const PARTIAL: ClientHello = { kind: 'partial' }
const NOT_TLS: ClientHello = { kind: 'not-tls' }

const RECORD_HEADER_BYTES = 5
const MAX_RECORD_BYTES = 16 * 1024
const HANDSHAKE_RECORD = 22
const HANDSHAKE_HEADER_BYTES = 4
const CLIENT_HELLO = 1
const MAJOR_VERSION = 3
const EXTENSION = { serverName: 0, alpn: 16 } as const
const HOST_NAME = 0
const RANDOM_BYTES = 32

/** Looks at the first bytes of a connection, `buf[start, end)`. */
export function readClientHello(buf: Uint8Array, start: number, end: number): ClientHello {
  const message = gatherHandshake(buf, start, end)
  if (!(message instanceof Uint8Array)) return message
  try {
    return parseHello(new Cursor(message, HANDSHAKE_HEADER_BYTES, message.length))
  } catch (error) {
    if (error instanceof RangeError) return NOT_TLS
    throw error
  }
}

/** The first handshake message, put together from its records; not TLS as soon as a byte says so. */
function gatherHandshake(buf: Uint8Array, start: number, end: number): Uint8Array | ClientHello {
  const parts: Uint8Array[] = []
  let gathered = 0
  let wanted = HANDSHAKE_HEADER_BYTES
  for (let at = start; ; ) {
    // A ClientHello is a handshake record of a version 3.x, in every TLS version (RFC 8446 §5.1).
    if (at < end && buf[at] !== HANDSHAKE_RECORD) return NOT_TLS
    if (at + 1 < end && buf[at + 1] !== MAJOR_VERSION) return NOT_TLS
    if (at + 2 < end && buf[at + 2]! > 4) return NOT_TLS
    if (at + RECORD_HEADER_BYTES > end) return PARTIAL
    const length = u16(buf, at + 3)
    if (length === 0 || length > MAX_RECORD_BYTES) return NOT_TLS
    const from = at + RECORD_HEADER_BYTES
    const part = buf.subarray(from, Math.min(end, from + length))
    if (gathered === 0 && part.length > 0 && part[0] !== CLIENT_HELLO) return NOT_TLS
    parts.push(part)
    gathered += part.length
    if (gathered >= HANDSHAKE_HEADER_BYTES && wanted === HANDSHAKE_HEADER_BYTES) {
      wanted += u24(joined(parts), 1)
      if (wanted > MAX_CLIENT_HELLO_BYTES) return NOT_TLS
    }
    if (wanted > HANDSHAKE_HEADER_BYTES && gathered >= wanted) return joined(parts).subarray(0, wanted)
    at = from + length
    if (at > end) return PARTIAL
    // One byte per record would be legal and is nobody's hello.
    if (parts.length > MAX_RECORDS) return NOT_TLS
  }
}

/** A hello over more records is treated as something else. */
export const MAX_RECORDS = 64

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}

function parseHello(hello: Cursor): ClientHello {
  if (hello.byte() !== MAJOR_VERSION) return NOT_TLS
  hello.skip(1 + RANDOM_BYTES)
  hello.vector(1) // legacy_session_id
  hello.vector(2) // cipher_suites
  hello.vector(1) // legacy_compression_methods
  let sni: string | undefined
  let alpn: readonly string[] = []
  // Before TLS 1.2 the extensions could be missing altogether.
  const extensions = hello.isDone ? hello : hello.vector(2)
  while (!extensions.isDone) {
    const type = extensions.u16()
    const data = extensions.vector(2)
    if (type === EXTENSION.serverName) sni ??= serverName(data)
    else if (type === EXTENSION.alpn) alpn = protocolNames(data)
  }
  return { kind: 'hello', sni, alpn }
}

/** The first host_name of the list (RFC 6066 §3). */
function serverName(data: Cursor): string | undefined {
  const list = data.vector(2)
  while (!list.isDone) {
    const type = list.byte()
    const name = list.vector(2).text()
    if (type === HOST_NAME && name !== '') return name.toLowerCase()
  }
  return undefined
}

/** RFC 7301 §3.1. */
function protocolNames(data: Cursor): string[] {
  const list = data.vector(2)
  const names: string[] = []
  while (!list.isDone) names.push(list.vector(1).text())
  return names
}

/** Walks over bytes; a read beyond the end is a RangeError. */
class Cursor {
  readonly #buf: Uint8Array
  #at: number
  readonly #end: number

  constructor(buf: Uint8Array, at: number, end: number) {
    this.#buf = buf
    this.#at = at
    this.#end = end
  }

  get isDone(): boolean {
    return this.#at >= this.#end
  }

  byte(): number {
    this.skip(1)
    return this.#buf[this.#at - 1]!
  }

  u16(): number {
    this.skip(2)
    return u16(this.#buf, this.#at - 2)
  }

  skip(bytes: number): void {
    if (bytes > this.#end - this.#at) throw new RangeError('beyond the end')
    this.#at += bytes
  }

  /** A vector whose length stands in front of it in `lengthBytes` bytes. */
  vector(lengthBytes: 1 | 2): Cursor {
    const length = lengthBytes === 1 ? this.byte() : this.u16()
    this.skip(length)
    return new Cursor(this.#buf, this.#at - length, this.#at)
  }

  text(): string {
    return Buffer.from(this.#buf.subarray(this.#at, this.#end)).toString('latin1')
  }
}
