/**
 * Node's stream handle (libuv's socket, or TLS on top of one) without the stream around it: what `net.Socket` does per
 * read and per write costs about as much as a request's own work, and none of it is needed by a transport.
 *
 * The calls are those of Node's own `lib/internal/stream_base_commons.js`. Where a Node has them no longer, `streamHandleOf`
 * gives `undefined` and the socket is used as everybody does; `stream-handle.test.ts` fails then.
 */
import type { Socket } from 'node:net'
import { getSystemErrorName } from 'node:util'

/** A write that the kernel has not taken as a whole yet. */
export interface WriteRequest {
  /** Called with 0 or a negative errno; never during the write. */
  oncomplete: (status: number) => void
  /** The bytes, so that they live until then. */
  buffer: Buffer
  /** Not null when it was complete before anybody could hear of it. */
  writeStatus: number | null
  /** What TLS says of an error. */
  readonly error?: string
}

export interface StreamHandle {
  /** A number when the write is over: 0, or a negative errno. The first argument asks for a request of the handle's own. */
  writeBuffer(request: null, bytes: Uint8Array): number | WriteRequest
  onread: (this: StreamHandle, bytes: ArrayBuffer | undefined) => unknown
  useUserBuffer(buf: Buffer): void
  readStop(): number
  reading: boolean
}

interface StreamWrap {
  readonly streamBaseState: Int32Array
  readonly kReadBytesOrError: number
  readonly kLastWriteErr: number
}

const wrap = streamWrap()
const state = wrap?.streamBaseState
const READ_BYTES = wrap?.kReadBytesOrError ?? 0
const WRITE_ERROR = wrap?.kLastWriteErr ?? 0

/** `kLastWriteErr` came with the form of `writeBuffer` that is used here; before, its first argument had to be an object. */
function streamWrap(): StreamWrap | undefined {
  try {
    const { binding } = process as unknown as { readonly binding?: (name: string) => Partial<StreamWrap> }
    const found = binding?.('stream_wrap')
    const { streamBaseState, kReadBytesOrError, kLastWriteErr } = found ?? {}
    if (!(streamBaseState instanceof Int32Array) || kReadBytesOrError === undefined) return undefined
    return kLastWriteErr === undefined ? undefined : { streamBaseState, kReadBytesOrError, kLastWriteErr }
  } catch {
    return undefined
  }
}

/** The handle of a connected socket with nothing left to write; `undefined` where this Node works otherwise. */
export function streamHandleOf(socket: Socket): StreamHandle | undefined {
  if (state === undefined || socket.connecting || socket.destroyed || socket.writableLength > 0) return undefined
  const handle = (socket as unknown as { readonly _handle?: Partial<StreamHandle> })._handle
  if (typeof handle?.writeBuffer !== 'function' || typeof handle.useUserBuffer !== 'function') return undefined
  if (typeof handle.onread !== 'function' || typeof handle.readStop !== 'function') return undefined
  return handle as StreamHandle
}

/** Why a request was not begun after all: a negative errno, read right after `writeBuffer`; 0 when it was. */
export function lastWriteError(): number {
  return state![WRITE_ERROR]!
}

/** Takes `length` bytes from the front of `buf` during the call; false stops reading until the socket is resumed. */
export type OnRead = (length: number, buf: Buffer) => boolean

/** What `handle` reads comes to `onRead`, in `buf`, which the handle was told of before; ends and errors go on to the socket. */
export function hearReads(handle: StreamHandle, socket: Socket, buf: Buffer, onRead: OnRead): void {
  const others = handle.onread
  handle.onread = (bytes) => {
    const length = state![READ_BYTES]!
    if (length <= 0 || socket.destroyed) return others.call(handle, bytes)
    if (onRead(length, buf)) return
    handle.reading = false
    if (!socket.destroyed) handle.readStop()
  }
}

/** As Node words it. */
export function writeError(status: number, request?: WriteRequest): NodeJS.ErrnoException {
  const code = getSystemErrorName(status)
  const detail = request?.error === undefined ? '' : ` ${request.error}`
  return Object.assign(new Error(`write ${code}${detail}`), { errno: status, code, syscall: 'write' })
}
