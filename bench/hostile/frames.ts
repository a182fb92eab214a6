/** HTTP/2 as a hostile peer writes it: whole frames as buffers, nothing is checked and nothing remembered. */
import { block, clientStart, frame, GET, headers, POST, settings } from '../../proxy/http/test-frames.ts'

export {
  block,
  clientStart,
  data,
  frame,
  GET,
  goaway,
  headers,
  padded,
  ping,
  rstStream,
  settings,
  settingsAck,
  windowUpdate,
} from '../../proxy/http/test-frames.ts'

export const OK = [[':status', '200']] as const
export const get = (id: number): Buffer => headers(id, GET)
export const post = (id: number): Buffer => headers(id, POST, 'more')
/** A client's first bytes, with `settings` beside. */
export const hello = (pairs: readonly (readonly [number, number])[] = []): Buffer =>
  Buffer.concat([clientStart, settings(pairs)])
/** HEADERS whose block goes on in CONTINUATION frames. */
export const unfinished = (id: number): Buffer => frame(1, 0, id, block(GET))
export const odd = (n: number): number => 2 * n + 1

/** `count` copies or variants of something, as one buffer. */
export function many(count: number, make: (n: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, n) => make(n)))
}
