/**
 * HTTP/1 readers as careless as real ones have been, each in another way. Bytes in which all of them find the requests
 * that a strict reader finds can be read in one way only.
 */

import type { Recording } from './recording-origin.ts'

interface Reader {
  readonly name: string
  /** What ends a line. */
  readonly lineEnd: RegExp
  /** The length of the content by these fields, or `chunked`. */
  framing(fields: readonly (readonly [string, string])[]): number | 'chunked'
}

const CRLF = /\r\n/g
const lengthsOf = (fields: readonly (readonly [string, string])[]) =>
  fields
    .filter(([name]) => /content-length/i.test(name))
    .map(([, value]) => Number.parseInt(value.replace(/^\D+/, ''), 10) || 0)
const isChunked = (fields: readonly (readonly [string, string])[]) =>
  fields.some(([name, value]) => /transfer-encoding/i.test(name) && /chunked/i.test(value))
const byCoding: Reader['framing'] = (fields) => (isChunked(fields) ? 'chunked' : (lengthsOf(fields)[0] ?? 0))

const READERS: readonly Reader[] = [
  { name: 'believes the coding', lineEnd: CRLF, framing: byCoding },
  {
    name: 'believes the first length',
    lineEnd: CRLF,
    framing: (fields) => lengthsOf(fields)[0] ?? (isChunked(fields) ? 'chunked' : 0),
  },
  {
    name: 'believes the last length',
    lineEnd: CRLF,
    framing: (fields) => lengthsOf(fields).at(-1) ?? (isChunked(fields) ? 'chunked' : 0),
  },
  { name: 'ends lines at LF', lineEnd: /\r?\n/g, framing: byCoding },
  { name: 'ends lines at CR', lineEnd: /\r\n?/g, framing: byCoding },
  { name: 'ends lines at any control character', lineEnd: /\r\n|[\0-\x08\x0a-\x1f\x7f]/g, framing: byCoding },
]

/** What is wrong with the bytes of one connection: what the origin could not read, or what others read in another way. */
export function problemsOf({ bytes, requests, problems }: Recording): string[] {
  if (problems.length > 0) return problems
  const targets = requests.map(({ target }) => target)
  return READERS.flatMap((reader) => {
    const seen = targetsSeenBy(reader, bytes).slice(0, targets.length + 1)
    return seen.join() === targets.join() ? [] : [`who ${reader.name} finds ${seen.join()}, not ${targets.join()}`]
  })
}

/** The request targets that `reader` finds in the bytes of one connection; `…` where it stops understanding them. */
function targetsSeenBy(reader: Reader, bytes: string): string[] {
  const targets: string[] = []
  let at = 0
  const readLine = (): string | undefined => {
    const { lineEnd } = reader
    lineEnd.lastIndex = at
    const match = lineEnd.exec(bytes)
    if (match === null) return undefined
    const line = bytes.slice(at, match.index)
    at = match.index + match[0].length
    return line
  }
  for (;;) {
    const line = readLine()
    if (line === undefined) return targets
    const target = /^\s*\S+\s+(\S+)/.exec(line)?.[1]
    if (target === undefined) {
      if (line.trim() !== '') return [...targets, '…']
      continue
    }
    const fields: [string, string][] = []
    for (let field = readLine(); field !== ''; field = readLine()) {
      if (field === undefined) return targets
      const colon = field.indexOf(':')
      // A folded line, too.
      if (colon === -1 && fields.length > 0) fields.at(-1)![1] += field
      fields.push([field.slice(0, colon), field.slice(colon + 1)])
    }
    const framing = reader.framing(fields)
    if (framing !== 'chunked') at += framing
    else {
      for (;;) {
        const size = readLine()
        if (size === undefined) return targets
        const length = Number.parseInt(size, 16)
        if (Number.isNaN(length)) return [...targets, target, '…']
        if (length === 0) break
        at += length
        if (readLine() === undefined) return targets
      }
      for (let trailer = readLine(); trailer !== ''; trailer = readLine()) if (trailer === undefined) return targets
    }
    if (at > bytes.length) return targets
    targets.push(target)
  }
}
