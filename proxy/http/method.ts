/** Questions about a request's method. */
import type { Head } from '../wire/head.ts'
import { token } from '../wire/tokens.ts'

const METHOD = token(':method')

export const HEAD = Buffer.from('HEAD', 'latin1')
export const CONNECT = Buffer.from('CONNECT', 'latin1')
const GET = Buffer.from('GET', 'latin1')

/** RFC 9110 §9.2.2. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE'])

/** Whether a request may be sent twice without the second time changing anything; unknown methods may not. */
export function isIdempotent(head: Head): boolean {
  return hasMethod(head, GET) || IDEMPOTENT.has(head.get(METHOD) ?? '')
}

/** Whether the request's method is `method`. The value of a pseudo-field is never coded in a head. */
export function hasMethod(head: Head, method: Buffer): boolean {
  const index = head.find(METHOD)
  return index !== -1 && head.isAt(index, method)
}
