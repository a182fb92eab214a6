/** HTTP/1: what a request head of 15 fields costs a proxy that passes it on. */
import { Head } from '../../../proxy/wire/head.ts'
import { HpackDecoder } from '../../../proxy/wire/hpack-decoder.ts'
import { writeHpackBlock } from '../../../proxy/wire/hpack-encoder.ts'
import { parseRequestHead } from '../../../proxy/wire/http1-head.ts'
import { restoreNames } from '../../../proxy/wire/http1-names.ts'
import { writeRequestHead } from '../../../proxy/wire/http1-writer.ts'
import { MemoryOutput } from '../../../proxy/wire/output.ts'
import { measure } from './measure.ts'
import { REQUESTS, requestFields } from './request.ts'

function message(): Buffer {
  const fields = requestFields()
  const lines = fields
    .slice(4)
    .map(([name, value]) => `${name.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase())}: ${value}\r\n`)
  return Buffer.from(`POST ${fields[3]![1]} HTTP/1.1\r\nHost: ${fields[2]![1]}\r\n${lines.join('')}\r\n`, 'latin1')
}

const messages = Array.from({ length: REQUESTS }, message)
const head = new Head()
const out = new MemoryOutput()
const options = { version: 11, connection: undefined, isChunked: false } as const
const parse = (round: number) =>
  parseRequestHead(head, messages[round % REQUESTS]!, 0, messages[round % REQUESTS]!.length)

console.log(`a head of ${messages[0]!.length} bytes`)
measure('parse', parse)
measure('write what was parsed', () => {
  out.at = 0
  writeRequestHead(out, head, options)
})
measure('parse and write', (round) => {
  parse(round)
  out.at = 0
  writeRequestHead(out, head, options)
})
measure('parse and write as HPACK', (round) => {
  parse(round)
  out.at = 0
  writeHpackBlock(out, head)
})
measure('parse and write as HPACK, telling how names are written', (round) => {
  parse(round)
  out.at = 0
  writeHpackBlock(out, head, true)
})

// The next proxy, which restores HTTP/1: in lower case, and with the names as they were.
for (const keepsNames of [false, true]) {
  out.at = 0
  writeHpackBlock(out, head, keepsNames)
  const block = out.taken()
  const decoder = new HpackDecoder(4_096)
  const received = new Head()
  measure(`decode and write as HTTP/1${keepsNames ? ', names restored' : ''}`, () => {
    decoder.decode(received, block, 0, block.length, 'request')
    if (received.namesRow !== -1) restoreNames(received)
    out.at = 0
    writeRequestHead(out, received, options)
  })
}
