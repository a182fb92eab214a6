/**
 * A second HPACK decoder (RFC 7541), for tests and fuzzers only: strings and bit by bit, so that it shares no table, no
 * loop and no trick with the decoder it judges.
 */
import { CODE_LENGTHS, CODES } from './huffman-tables.ts'

const CODE_WORDS = new Map<string, number>()
for (let symbol = 0; symbol <= 256; symbol++) {
  CODE_WORDS.set(CODES[symbol]!.toString(2).padStart(CODE_LENGTHS[symbol]!, '0'), symbol)
}

const STATIC = (
  ':authority||:method|GET|:method|POST|:path|/|:path|/index.html|:scheme|http|:scheme|https|:status|200|:status|204|' +
  ':status|206|:status|304|:status|400|:status|404|:status|500|accept-charset||accept-encoding|gzip, deflate|' +
  'accept-language||accept-ranges||accept||access-control-allow-origin||age||allow||authorization||cache-control||' +
  'content-disposition||content-encoding||content-language||content-length||content-location||content-range||' +
  'content-type||cookie||date||etag||expect||expires||from||host||if-match||if-modified-since||if-none-match||' +
  'if-range||if-unmodified-since||last-modified||link||location||max-forwards||proxy-authenticate||' +
  'proxy-authorization||range||referer||refresh||retry-after||server||set-cookie||strict-transport-security||' +
  'transfer-encoding||user-agent||vary||via||www-authenticate|'
).split('|')

export type Field = readonly [name: string, value: string]

export class NaiveHpack {
  table: Field[] = []
  limit: number
  size: number

  constructor(limit: number) {
    this.limit = limit
    this.size = limit
  }

  /** The fields of a block; `undefined` for a COMPRESSION_ERROR. */
  decode(block: Uint8Array): Field[] | undefined {
    const fields: Field[] = []
    let at = 0
    let isStart = true
    const integer = (prefixBits: number): number => {
      if (at >= block.length) throw new RangeError()
      const mask = 2 ** prefixBits - 1
      let value = block[at++]! & mask
      if (value < mask) return value
      for (let place = 0; place < 4; place++) {
        if (at >= block.length) throw new RangeError()
        const byte = block[at++]!
        value += (byte & 127) * 128 ** place
        if (byte < 128) return value
      }
      throw new RangeError()
    }
    const string = (): string => {
      if (at >= block.length) throw new RangeError()
      const isCoded = block[at]! >= 128
      const length = integer(7)
      if (at + length > block.length) throw new RangeError()
      const bytes = block.subarray(at, at + length)
      at += length
      return isCoded ? unhuffman(bytes) : Buffer.from(bytes).toString('latin1')
    }
    const entry = (index: number): Field => {
      if (index === 0) throw new RangeError()
      if (index <= 61) return [STATIC[2 * index - 2]!, STATIC[2 * index - 1]!]
      const found = this.table[index - 62]
      if (found === undefined) throw new RangeError()
      return found
    }
    try {
      while (at < block.length) {
        const first = block[at]!
        if (first >= 128) fields.push(entry(integer(7)))
        else if (first >= 64 || first < 32) {
          const index = integer(first >= 64 ? 6 : 4)
          const name = index === 0 ? string() : entry(index)[0]
          const field: Field = [name, string()]
          fields.push(field)
          if (first >= 64) {
            this.table.unshift(field)
            this.#evict()
          }
        } else {
          const size = integer(5)
          if (!isStart || size > this.limit) throw new RangeError()
          this.size = size
          this.#evict()
          continue
        }
        isStart = false
      }
    } catch (error) {
      if (error instanceof RangeError) return undefined
      throw error
    }
    return fields
  }

  #evict(): void {
    const total = () => this.table.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0)
    while (total() > this.size) this.table.pop()
  }
}

function unhuffman(bytes: Uint8Array): string {
  let word = ''
  let text = ''
  for (const byte of bytes) {
    for (const bit of byte.toString(2).padStart(8, '0')) {
      word += bit
      const symbol = CODE_WORDS.get(word)
      if (symbol === undefined) continue
      if (symbol === 256) throw new RangeError()
      text += String.fromCharCode(symbol)
      word = ''
    }
  }
  if (word.length > 7 || word.includes('0')) throw new RangeError()
  return text
}
