/** The frames of `exec` on the cluster's socket: one byte of type, four of length, the payload. */
export const ExecFrame = {
  /** Empty payload: end of input. */
  stdin: 0,
  stdout: 1,
  stderr: 2,
  /** JSON `{ code }`; the last frame. */
  exit: 3,
} as const

const HEADER_BYTES = 5

export function encodeFrame(type: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + payload.length)
  frame[0] = type
  frame.writeUInt32BE(payload.length, 1)
  frame.set(payload, HEADER_BYTES)
  return frame
}

export class FrameDecoder {
  readonly #onFrame: (type: number, payload: Buffer) => void
  #pending: Buffer = Buffer.alloc(0)

  constructor(onFrame: (type: number, payload: Buffer) => void) {
    this.#onFrame = onFrame
  }

  push(chunk: Buffer): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    while (this.#pending.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + this.#pending.readUInt32BE(1)
      if (this.#pending.length < end) return
      const frame = this.#pending
      this.#pending = frame.subarray(end)
      this.#onFrame(frame[0]!, frame.subarray(HEADER_BYTES, end))
    }
  }
}
