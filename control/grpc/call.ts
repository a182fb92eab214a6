/**
 * One gRPC call on the server: a request message in, messages and a status out
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). The API has unary and server-streaming methods only.
 */
import type { Encoded } from './encoded.ts'
import { GrpcError, toStatus } from './error.ts'
import { encodeFields } from './http2/hpack.ts'
import { ErrorCode } from './http2/protocol.ts'
import type { Http2Stream, Receiver } from './http2/stream.ts'
import { status } from './status.ts'

/** What a method does with the bytes of its messages. */
export interface Method {
  readonly decode: (bytes: Uint8Array) => unknown
  readonly encode: (message: unknown) => Uint8Array
  readonly serve: (call: StreamingCall<unknown, unknown>) => void
}

/** The side of a call that a handler sees. After its end, nothing that is asked of it does anything. */
export interface StreamingCall<Req, Res> {
  readonly request: Req
  /** Called once when the client has left or does not wait any longer; not when the call was ended here. */
  onCancelled: (() => void) | undefined
  /** @param onSent called when the message has left through the client's flow-control window */
  write(message: Res | Encoded<Res>, onSent?: () => void): void
  /** With status OK. */
  end(): void
  /** With the status of a `GrpcError`; anything else becomes INTERNAL, and only that. */
  fail(error: unknown): void
}

export interface CallOptions {
  readonly maxRequestBytes: number
  /** `undefined` without deadline. */
  readonly timeoutMs: number | undefined
  /** `grpc-encoding` of the request, empty without. */
  readonly encoding: string
}

const PREFIX_BYTES = 5
const SHORTEST_BUFFER_BYTES = 512
/** No timer of Node is longer; a deadline behind it is none that a process lives to see. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

const HEAD = encodeFields([
  [':status', '200'],
  ['content-type', 'application/grpc+proto'],
  ['grpc-accept-encoding', 'identity'],
])
const OK = encodeFields([['grpc-status', '0']])
const IGNORE = () => {}

export class ServerCall implements Receiver, StreamingCall<unknown, unknown> {
  onCancelled: (() => void) | undefined = undefined
  readonly #stream: Http2Stream
  readonly #method: Method
  /** Until the handler has it. */
  #options: CallOptions | undefined
  #received: Buffer | undefined = undefined
  #receivedBytes = 0
  #request: unknown = undefined
  #hasHead = false
  #isOver = false
  #timer: NodeJS.Timeout | undefined = undefined

  constructor(stream: Http2Stream, method: Method, options: CallOptions) {
    this.#stream = stream
    this.#method = method
    this.#options = options
    const { timeoutMs } = options
    if (timeoutMs !== undefined) this.#timer = setTimeout(() => this.#onDeadline(timeoutMs), timeoutMs).unref()
  }

  get request(): unknown {
    return this.#request
  }

  onData(bytes: Uint8Array): void {
    if (this.#isOver) return
    this.#keep(bytes)
    if (this.#receivedBytes < PREFIX_BYTES) return
    const { maxRequestBytes, encoding } = this.#options!
    const flag = this.#received![0]!
    const length = this.#received!.readUInt32BE(1)
    if (flag > 1) return this.fail(new GrpcError(status.INTERNAL, `${flag} is not a compressed flag`))
    if (flag === 1) {
      return this.fail(
        encoding === '' || encoding === 'identity'
          ? new GrpcError(status.INTERNAL, 'the request is compressed and does not say how in grpc-encoding')
          : new GrpcError(
              status.UNIMPLEMENTED,
              `grpc-encoding "${encoding.slice(0, 40)}" is not served; send identity`,
            ),
      )
    }
    if (length > maxRequestBytes) {
      return this.fail(
        new GrpcError(
          status.RESOURCE_EXHAUSTED,
          `the request has ${length} bytes; at most ${maxRequestBytes} are read`,
        ),
      )
    }
    if (this.#receivedBytes > PREFIX_BYTES + length) {
      this.fail(new GrpcError(status.UNIMPLEMENTED, 'the method takes one message, and more came'))
    }
  }

  onEnd(): void {
    if (this.#isOver) return
    const bytes = this.#received
    if (bytes === undefined || this.#receivedBytes < PREFIX_BYTES) {
      return this.fail(new GrpcError(status.UNIMPLEMENTED, 'the method takes one message, and none came'))
    }
    const end = PREFIX_BYTES + bytes.readUInt32BE(1)
    if (this.#receivedBytes < end)
      return this.fail(new GrpcError(status.INTERNAL, 'the request ends inside its message'))
    this.#received = undefined
    this.#options = undefined
    try {
      this.#request = this.#method.decode(bytes.subarray(PREFIX_BYTES, end))
    } catch {
      return this.fail(new GrpcError(status.INTERNAL, 'the request is not a message of this method'))
    }
    this.#method.serve(this)
    // Whoever serves has taken from it what it needs; streams live for days.
    this.#request = undefined
  }

  onReset(): void {
    if (this.#isOver) return
    this.#over()
    const { onCancelled } = this
    this.onCancelled = undefined
    onCancelled?.()
  }

  write(message: unknown, onSent: () => void = IGNORE): void {
    if (this.#isOver) return
    const bytes = this.#method.encode(message)
    const framed = Buffer.allocUnsafeSlow(PREFIX_BYTES + bytes.length)
    framed[0] = 0
    framed.writeUInt32BE(bytes.length, 1)
    framed.set(bytes, PREFIX_BYTES)
    this.#head()
    this.#stream.write(framed, onSent)
  }

  end(): void {
    if (this.#isOver) return
    this.#head()
    this.#over()
    this.#stream.end(OK)
  }

  fail(error: unknown): void {
    if (this.#isOver) return
    const { code, message } = toStatus(error)
    // Without a message there are no trailers: the head says it all, and ends the stream.
    const fields = [
      ['grpc-status', `${code}`],
      ['grpc-message', percentEncoded(message)],
    ] as const
    if (this.#hasHead) this.#stream.end(encodeFields(fields))
    else {
      this.#stream.respond(
        encodeFields([
          [':status', '200'],
          ['content-type', 'application/grpc+proto'],
          ['grpc-accept-encoding', 'identity'],
          ...fields,
        ]),
      )
      this.#stream.end()
    }
    this.#over()
  }

  #onDeadline(timeoutMs: number): void {
    const { onCancelled } = this
    this.onCancelled = undefined
    // What waits in a closed window would keep the status from being sent at all.
    if (this.#stream.queue.length > 0) {
      this.#over()
      this.#stream.reset(ErrorCode.CANCEL)
    } else this.fail(new GrpcError(status.DEADLINE_EXCEEDED, `not done within the ${timeoutMs} ms of grpc-timeout`))
    onCancelled?.()
  }

  #head(): void {
    if (this.#hasHead) return
    this.#hasHead = true
    this.#stream.respond(HEAD)
  }

  #over(): void {
    this.#isOver = true
    this.#received = undefined
    this.#options = undefined
    clearTimeout(this.#timer)
  }

  /** Grows by doubling: many small pieces are not copied again each time, and none is believed about what follows. */
  #keep(bytes: Uint8Array): void {
    const needed = this.#receivedBytes + bytes.length
    if (this.#received === undefined || this.#received.length < needed) {
      const grown = Buffer.allocUnsafeSlow(Math.max(SHORTEST_BUFFER_BYTES, needed, 2 * this.#receivedBytes))
      if (this.#received !== undefined) grown.set(this.#received.subarray(0, this.#receivedBytes))
      this.#received = grown
    }
    this.#received.set(bytes, this.#receivedBytes)
    this.#receivedBytes = needed
  }
}

const MS_PER_UNIT: ReadonlyMap<string, number> = new Map([
  ['H', 3_600_000],
  ['M', 60_000],
  ['S', 1_000],
  ['m', 1],
  ['u', 1e-3],
  ['n', 1e-6],
])

/** @returns milliseconds of a `grpc-timeout`; `undefined` when it is none */
export function parseTimeout(text: string): number | undefined {
  const [, count, unit] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? []
  if (count === undefined) return undefined
  return Math.min(Math.ceil(Number(count) * MS_PER_UNIT.get(unit!)!), MAX_TIMEOUT_MS)
}

/** Bytes of UTF-8 that are not printable ASCII, and the percent sign, as `%20`. */
function percentEncoded(text: string): string {
  let encoded = ''
  for (const byte of Buffer.from(text)) {
    encoded +=
      byte < 0x20 || byte > 0x7e || byte === 0x25
        ? `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
        : String.fromCharCode(byte)
  }
  return encoded
}
