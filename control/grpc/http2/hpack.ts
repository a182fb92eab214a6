/**
 * Field blocks of a gRPC server (RFC 7541): what clients send is decoded whole, what is answered is coded without a
 * dynamic table, so that a connection keeps no state for it.
 */
import { codeLengthsOfHuffman } from './huffman-lengths.ts'
import { ConnectionError, ErrorCode } from './protocol.ts'

export type Field = readonly [name: string, value: string]

/** What the peer may use before it has acknowledged that no table is wanted (RFC 9113 §6.5.2). */
const DEFAULT_TABLE_BYTES = 4_096
const FIELD_OVERHEAD_BYTES = 32

// biome-ignore format: by index, as Appendix A is read
const STATIC: readonly Field[] = [
  [':authority', ''], [':method', 'GET'], [':method', 'POST'], [':path', '/'], [':path', '/index.html'],
  [':scheme', 'http'], [':scheme', 'https'], [':status', '200'], [':status', '204'], [':status', '206'],
  [':status', '304'], [':status', '400'], [':status', '404'], [':status', '500'], ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'], ['accept-language', ''], ['accept-ranges', ''], ['accept', ''],
  ['access-control-allow-origin', ''], ['age', ''], ['allow', ''], ['authorization', ''], ['cache-control', ''],
  ['content-disposition', ''], ['content-encoding', ''], ['content-language', ''], ['content-length', ''],
  ['content-location', ''], ['content-range', ''], ['content-type', ''], ['cookie', ''], ['date', ''], ['etag', ''],
  ['expect', ''], ['expires', ''], ['from', ''], ['host', ''], ['if-match', ''], ['if-modified-since', ''],
  ['if-none-match', ''], ['if-range', ''], ['if-unmodified-since', ''], ['last-modified', ''], ['link', ''],
  ['location', ''], ['max-forwards', ''], ['proxy-authenticate', ''], ['proxy-authorization', ''], ['range', ''],
  ['referer', ''], ['refresh', ''], ['retry-after', ''], ['server', ''], ['set-cookie', ''],
  ['strict-transport-security', ''], ['transfer-encoding', ''], ['user-agent', ''], ['vary', ''], ['via', ''],
  ['www-authenticate', ''],
]

export class HpackDecoder {
  /** Newest first. */
  #table: Field[] = []
  #tableBytes = 0
  #maxTableBytes = DEFAULT_TABLE_BYTES
  /** What was announced and acknowledged: the peer's choice is at most this. */
  #limitBytes = DEFAULT_TABLE_BYTES
  #block: Uint8Array = EMPTY
  #at = 0

  /** The peer goes by SETTINGS_HEADER_TABLE_SIZE `bytes` from its next block on. */
  limitTable(bytes: number): void {
    this.#limitBytes = bytes
    // RFC 7541 §4.2 wants a size update in front of the next block; a peer with an empty table has nothing to say.
    if (this.#maxTableBytes > bytes) this.#resize(bytes)
  }

  /** @throws ConnectionError COMPRESSION_ERROR; without an intact table no later block could be read */
  decode(block: Uint8Array): Field[] {
    this.#block = block
    this.#at = 0
    const fields: Field[] = []
    while (this.#at < block.length) {
      const first = block[this.#at]!
      if (first >= 0x80) fields.push(this.#indexed(this.#integer(7)))
      else if (first >= 0x40) {
        const field = this.#literal(6)
        fields.push(field)
        this.#add(field)
      } else if (first >= 0x20) {
        if (fields.length > 0) throw compressionError('a table size update behind a field')
        const bytes = this.#integer(5)
        if (bytes > this.#limitBytes) throw compressionError(`a table of ${bytes} bytes, above ${this.#limitBytes}`)
        this.#resize(bytes)
      } else fields.push(this.#literal(4))
    }
    this.#block = EMPTY
    return fields
  }

  #literal(prefixBits: number): Field {
    const index = this.#integer(prefixBits)
    const name = index === 0 ? this.#string() : this.#indexed(index)[0]
    return [name, this.#string()]
  }

  #indexed(index: number): Field {
    const field = index <= STATIC.length ? STATIC[index - 1] : this.#table[index - STATIC.length - 1]
    if (field === undefined) throw compressionError(`index ${index} is in no table`)
    return field
  }

  #integer(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1
    let value = this.#byte() & mask
    if (value < mask) return value
    for (let shift = 0; ; shift += 7) {
      // Four more bytes are 2^28: no index or length of a bounded block is larger.
      if (shift > 21) throw compressionError('an integer is too large')
      const byte = this.#byte()
      value += (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }

  #string(): string {
    const isCoded = this.#block[this.#at]! >= 0x80
    const length = this.#integer(7)
    const end = this.#at + length
    if (end > this.#block.length) throw compressionError('a string ends behind its block')
    const bytes = this.#block.subarray(this.#at, end)
    this.#at = end
    return isCoded ? decodeHuffman(bytes) : latin1(bytes)
  }

  #byte(): number {
    const byte = this.#block[this.#at++]
    if (byte === undefined) throw compressionError('the block ends inside a field')
    return byte
  }

  #add(field: Field): void {
    const bytes = sizeOf(field)
    this.#evict(this.#maxTableBytes - bytes)
    if (bytes > this.#maxTableBytes) return
    this.#table.unshift(field)
    this.#tableBytes += bytes
  }

  #resize(bytes: number): void {
    this.#maxTableBytes = bytes
    this.#evict(bytes)
  }

  #evict(bytes: number): void {
    while (this.#tableBytes > bytes && this.#table.length > 0) this.#tableBytes -= sizeOf(this.#table.pop()!)
  }
}

/** @param fields names in lower case, characters up to U+00FF */
export function encodeFields(fields: readonly Field[]): Buffer {
  const parts: Buffer[] = []
  for (const [name, value] of fields) {
    const whole = STATIC.findIndex((field) => field[0] === name && field[1] === value && value !== '')
    if (whole >= 0) {
      parts.push(integer(whole + 1, 7, 0x80))
      continue
    }
    const named = STATIC.findIndex((field) => field[0] === name)
    // Without indexing: the peer need not keep it either.
    parts.push(integer(named + 1, 4, 0x00))
    if (named < 0) parts.push(text(name))
    parts.push(text(value))
  }
  return Buffer.concat(parts)
}

const EMPTY = new Uint8Array(0)

function sizeOf([name, value]: Field): number {
  return name.length + value.length + FIELD_OVERHEAD_BYTES
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1')
  return Buffer.concat([integer(bytes.length, 7, 0x00), bytes])
}

function integer(value: number, prefixBits: number, flags: number): Buffer {
  const mask = (1 << prefixBits) - 1
  if (value < mask) return Buffer.of(flags | value)
  const bytes = [flags | mask]
  let rest = value - mask
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  return Buffer.from([...bytes, rest])
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

const EOS = 256
const MAX_CODE_BITS = 30
/** By code with a leading 1 bit, so that codes of different lengths differ. */
const SYMBOLS = huffmanSymbols()

/** The code is canonical (RFC 7541 Appendix B): the lengths say everything. */
function huffmanSymbols(): ReadonlyMap<number, number> {
  const lengths = codeLengthsOfHuffman()
  const symbols = new Map<number, number>()
  let code = 0
  for (let bits = 1; bits <= MAX_CODE_BITS; bits++, code *= 2) {
    for (const [symbol, length] of lengths.entries()) if (length === bits) symbols.set(2 ** bits + code++, symbol)
  }
  return symbols
}

function decodeHuffman(bytes: Uint8Array): string {
  let decoded = ''
  let code = 1
  let bits = 0
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      code = code * 2 + ((byte >> bit) & 1)
      const symbol = ++bits < 5 ? undefined : SYMBOLS.get(code)
      if (symbol !== undefined) {
        if (symbol === EOS) throw compressionError('a Huffman code has the symbol EOS')
        decoded += String.fromCharCode(symbol)
        code = 1
        bits = 0
      } else if (bits > MAX_CODE_BITS) throw compressionError('no Huffman code')
    }
  }
  // RFC 7541 §5.2: the rest are the first bits of EOS, fewer than eight.
  if (bits > 7 || code !== 2 ** (bits + 1) - 1) throw compressionError('a Huffman code is not padded by ones')
  return decoded
}

function compressionError(what: string): ConnectionError {
  return new ConnectionError(ErrorCode.COMPRESSION_ERROR, `${what} (RFC 7541)`)
}
