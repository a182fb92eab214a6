/** A client that writes bytes as they are and reads responses, so that a test can say what HTTP libraries refuse to say. */
import type { Socket } from 'node:net'
import { connectTcp } from '../../proxy/apps.ts'

/** Longer than any answer takes: a case that runs into it has failed. */
const HANGING_MS = 10_000

export interface RawResponse {
  readonly status: number
  readonly head: string
  readonly content: string
}

export class RawHttp1 {
  readonly #socket: Socket
  #unread = ''
  #isEnded = false
  #wake: () => void = () => {}

  static async connect(port: number): Promise<RawHttp1> {
    return new RawHttp1(await connectTcp(port))
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (data: Buffer) => {
      this.#unread += data.toString('latin1')
      this.#wake()
    })
    const onEnd = () => {
      this.#isEnded = true
      this.#wake()
    }
    socket.on('end', onEnd)
    socket.on('close', onEnd)
  }

  write(bytes: string): void {
    this.#socket.write(bytes, 'latin1')
  }

  /** Every byte by a write of its own. */
  writeTorn(bytes: string): void {
    for (const byte of bytes) this.write(byte)
  }

  close(): void {
    this.#socket.destroy()
  }

  /** The next response with Content-Length or chunks, or why there is none. `informational` ones are skipped. */
  async response(): Promise<RawResponse | 'ended' | 'hangs'> {
    for (;;) {
      const read = readResponse(this.#unread)
      if (read !== undefined) {
        this.#unread = read.rest
        if (read.response.status >= 200) return read.response
        continue
      }
      if (this.#isEnded) return 'ended'
      if (!(await this.#more())) return 'hangs'
    }
  }

  /** Everything until the proxy's FIN. */
  async toEnd(): Promise<string | 'hangs'> {
    while (!this.#isEnded) if (!(await this.#more())) return 'hangs'
    return this.#unread
  }

  #more(): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, HANGING_MS, false)
      this.#wake = () => {
        clearTimeout(timer)
        this.#wake = () => {}
        resolve(true)
      }
    })
  }
}

function readResponse(text: string): { response: RawResponse; rest: string } | undefined {
  const headEnd = text.indexOf('\r\n\r\n')
  if (headEnd === -1) return undefined
  const head = text.slice(0, headEnd)
  const status = Number(/^HTTP\/1\.[01] ([0-9]{3})/.exec(head)?.[1])
  const start = headEnd + 4
  if (/^transfer-encoding: chunked$/im.test(head)) {
    const end = text.indexOf('0\r\n\r\n', start)
    if (end === -1) return undefined
    const content = text.slice(start, end).replace(/[0-9a-f]+\r\n((?:.|\n)*?)\r\n/g, '$1')
    return { response: { status, head, content }, rest: text.slice(end + 5) }
  }
  const length = Number(/^content-length: ([0-9]+)$/im.exec(head)?.[1] ?? 0)
  if (text.length < start + length) return undefined
  return { response: { status, head, content: text.slice(start, start + length) }, rest: text.slice(start + length) }
}
