/**
 * Lets a socket read into a buffer of ours instead of allocating 64 KiB per read.
 *
 * Node offers this (`onread`) for sockets it connects, not for accepted ones and not for TLS on top of them. The mechanism
 * is the same for all: three fields of the socket and one call on its handle. Where a Node has them no longer, reading
 * falls back to 'data' events, which is slower and otherwise the same; `shared-read.test.ts` fails then.
 */
import type { Socket } from 'node:net'
import { hearReads, type OnRead, streamHandleOf } from './stream-handle.ts'

interface Handle {
  useUserBuffer?(buf: Buffer): void
}

interface Fields {
  readonly buffer: symbol
  readonly callback: symbol
  readonly generator: symbol
}

let known: Fields | undefined

function fieldsOf(socket: Socket): Fields | undefined {
  if (known !== undefined) return known
  const found = new Map<string | undefined, symbol>()
  for (const field of Object.getOwnPropertySymbols(socket)) found.set(field.description, field)
  const buffer = found.get('kBuffer')
  const callback = found.get('kBufferCb')
  const generator = found.get('kBufferGen')
  if (buffer === undefined || callback === undefined || generator === undefined) return undefined
  known = { buffer, callback, generator }
  return known
}

/**
 * Reads of `socket` go to `buf` and `onRead` from now on; false where this Node cannot. Bytes that were read before still
 * come as 'data' events first.
 */
export function readInto(socket: Socket, buf: Buffer, onRead: OnRead): boolean {
  const handle = (socket as unknown as { readonly _handle?: Handle })._handle
  const fields = fieldsOf(socket)
  if (handle?.useUserBuffer === undefined || fields === undefined) return false
  const slots = socket as unknown as Record<symbol, unknown>
  const isAgain = slots[fields.buffer] !== null && slots[fields.buffer] !== undefined
  slots[fields.buffer] = buf
  slots[fields.callback] = onRead
  slots[fields.generator] = null
  // Each call stacks another listener on the handle: one is enough.
  if (!isAgain) handle.useUserBuffer(buf)
  const direct = streamHandleOf(socket)
  if (direct !== undefined) hearReads(direct, socket, buf, onRead)
  return true
}
