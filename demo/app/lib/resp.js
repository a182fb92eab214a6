/**
 * RESP, the protocol of Redis: requests are arrays of bulk strings, replies one of five kinds.
 *
 * `readValue` reads one value from a buffer and says how far it came, or `undefined` when the rest has not
 * arrived yet. Client and server of the demo share it.
 */

const CRLF = '\r\n'

/** No value of the demo is longer; a peer that claims more has lost its framing. */
export const MAX_BULK_BYTES = 1_048_576
const MAX_ARRAY_LENGTH = 1_024

export class RespError extends Error {}

export function encodeCommand(parts) {
  const pieces = [`*${parts.length}${CRLF}`]
  for (const part of parts) {
    const value = String(part)
    pieces.push(`$${Buffer.byteLength(value)}${CRLF}${value}${CRLF}`)
  }
  return pieces.join('')
}

/**
 * @param {Buffer} buffer
 * @param {number} at
 * @returns {{ value: unknown, next: number } | undefined}
 */
export function readValue(buffer, at) {
  const lineEnd = buffer.indexOf(CRLF, at)
  if (lineEnd === -1) return undefined
  const line = buffer.toString('latin1', at + 1, lineEnd)
  const next = lineEnd + CRLF.length
  switch (String.fromCharCode(buffer[at])) {
    case '+':
      return { value: line, next }
    case '-':
      return { value: new RespError(line), next }
    case ':':
      return { value: Number(line), next }
    case '$':
      return readBulk(buffer, readLength(line, MAX_BULK_BYTES), next)
    case '*':
      return readArray(buffer, readLength(line, MAX_ARRAY_LENGTH), next)
    default:
      throw new Error(`byte 0x${buffer[at].toString(16)} begins no RESP value`)
  }
}

function readLength(line, max) {
  const length = Number(line)
  if (Number.isInteger(length) && length >= -1 && length <= max) return length
  throw new Error(`RESP length "${line}" is not a number from -1 to ${max}`)
}

function readBulk(buffer, length, at) {
  if (length === -1) return { value: undefined, next: at }
  if (buffer.length < at + length + CRLF.length) return undefined
  return { value: buffer.toString('utf8', at, at + length), next: at + length + CRLF.length }
}

function readArray(buffer, length, at) {
  const values = []
  let next = at
  for (let i = 0; i < length; i++) {
    const element = readValue(buffer, next)
    if (element === undefined) return undefined
    values.push(element.value)
    next = element.next
  }
  return { value: values, next }
}
