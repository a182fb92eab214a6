/**
 * An HTTP/1 origin that records every byte it gets and reads them as strictly as RFC 9112 lets it, with a reader of its own:
 * nothing here is the proxy's. What it cannot read in exactly one way it notes as a problem.
 */
import { once } from 'node:events'
import net, { type AddressInfo, type Socket } from 'node:net'

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21\x22\x24-\x7e\x80-\xff]+) HTTP\/1\.([01])$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
const HOST = /^((\[[0-9A-Fa-f:.]+\]|[-._~%!$&'()*+,;=0-9A-Za-z]+)(:[0-9]*)?)?$/
const LENGTH = /^[0-9]{1,15}$/
const CHUNK_SIZE = /^[0-9A-Fa-f]{1,12}$/
const NOT_IN_TRAILERS = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'te',
  'trailer',
  'upgrade',
  'l5d-client-id',
])

export interface OriginRequest {
  readonly method: string
  readonly target: string
  readonly content: string
  /** The head as it came, without the empty line. */
  readonly head: string
}

/** What came on one connection. */
export class Recording {
  bytes = ''
  readonly requests: OriginRequest[] = []
  readonly problems: string[] = []
  /** Where the request being read begins. */
  #at = 0

  /** Takes more bytes in and returns the requests that are complete now. */
  push(bytes: string): OriginRequest[] {
    this.bytes += bytes
    const complete: OriginRequest[] = []
    while (this.problems.length === 0) {
      const request = this.#read()
      if (request === undefined) break
      complete.push(request)
      this.requests.push(request)
    }
    return complete
  }

  /** Bytes behind the last complete request. */
  get rest(): string {
    return this.bytes.slice(this.#at)
  }

  #problem(text: string): undefined {
    this.problems.push(`${text} in ${JSON.stringify(this.rest.slice(0, 400))}`)
  }

  #read(): OriginRequest | undefined {
    const headEnd = this.bytes.indexOf('\r\n\r\n', this.#at)
    if (headEnd === -1) return undefined
    const head = this.bytes.slice(this.#at, headEnd)
    const [line = '', ...lines] = head.split('\r\n')
    const [, method, target, minor] = REQUEST_LINE.exec(line) ?? []
    if (method === undefined || target === undefined) return this.#problem('no request line')
    const fields: [string, string][] = []
    for (const text of lines) {
      const field = readField(text)
      if (field === undefined) return this.#problem(`no field: ${JSON.stringify(text)}`)
      fields.push(field)
    }
    const valuesOf = (wanted: string) => fields.filter(([name]) => name === wanted).map(([, value]) => value)
    const hosts = valuesOf('host')
    const lengths = valuesOf('content-length')
    const codings = valuesOf('transfer-encoding')
    if (hosts.length > 1 || (hosts.length === 0 && minor === '1')) return this.#problem(`${hosts.length} Host fields`)
    if (hosts[0] !== undefined && !HOST.test(hosts[0])) return this.#problem('a Host that is none')
    const authority = /^[a-z]+:\/\/([^/?]*)/i.exec(target)?.[1]
    if (authority !== undefined && hosts[0] !== authority) return this.#problem('Host is not that of the target')
    if (authority === undefined && !/^\/|^\*$/.test(target) && method !== 'CONNECT') return this.#problem('no target')
    if (lengths.length > 1 || !lengths.every((length) => LENGTH.test(length))) return this.#problem('lengths')
    if (codings.length > 1 || !codings.every((coding) => coding === 'chunked')) return this.#problem('codings')
    if (codings.length + lengths.length > 1) return this.#problem('a length and a coding')
    if (codings.length > 0 && minor === '0') return this.#problem('a coding in HTTP/1.0')
    if (method === 'CONNECT' && (codings.length > 0 || Number(lengths[0] ?? 0) > 0))
      return this.#problem('CONNECT with content')
    const start = headEnd + 4
    const content = codings.length > 0 ? this.#readChunks(start) : this.#readLength(start, Number(lengths[0] ?? 0))
    if (content === undefined) return undefined
    this.#at = content.end
    return { method, target, content: content.text, head }
  }

  #readLength(start: number, length: number): { text: string; end: number } | undefined {
    const end = start + length
    return this.bytes.length < end ? undefined : { text: this.bytes.slice(start, end), end }
  }

  #readChunks(start: number): { text: string; end: number } | undefined {
    let at = start
    let text = ''
    for (;;) {
      const lineEnd = this.bytes.indexOf('\r\n', at)
      if (lineEnd === -1) return undefined
      const line = this.bytes.slice(at, lineEnd)
      if (!CHUNK_SIZE.test(line)) return this.#problem(`no chunk size: ${JSON.stringify(line)}`)
      const size = Number.parseInt(line, 16)
      const data = lineEnd + 2
      if (size === 0) return this.#readTrailers(text, data)
      if (this.bytes.length < data + size + 2) return undefined
      if (this.bytes.slice(data + size, data + size + 2) !== '\r\n') return this.#problem('a chunk without an end')
      text += this.bytes.slice(data, data + size)
      at = data + size + 2
    }
  }

  #readTrailers(text: string, start: number): { text: string; end: number } | undefined {
    let at = start
    for (;;) {
      const lineEnd = this.bytes.indexOf('\r\n', at)
      if (lineEnd === -1) return undefined
      if (lineEnd === at) return { text, end: at + 2 }
      const field = readField(this.bytes.slice(at, lineEnd))
      if (field === undefined || NOT_IN_TRAILERS.has(field[0])) return this.#problem('a trailer that is none')
      at = lineEnd + 2
    }
  }
}

function readField(line: string): [name: string, value: string] | undefined {
  const colon = line.indexOf(':')
  const name = line.slice(0, colon)
  const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')
  return colon > 0 && TOKEN.test(name) && VALUE.test(value) ? [name.toLowerCase(), value] : undefined
}

export const describeRequest = ({ method, target, content }: OriginRequest) =>
  `${method} ${target} ${JSON.stringify(content)}`

export interface RecordingOrigin {
  readonly port: number
  readonly recordings: readonly Recording[]
  /** All complete requests, in the order in which they came. */
  readonly requests: readonly OriginRequest[]
  /** Waits until every connection has ended: from then on the recordings are complete. */
  ended(): Promise<void>
}

/** Answers each complete request with its own method and target; `answer` may say otherwise, in raw bytes. */
export async function startRecordingOrigin(
  answer: (request: OriginRequest, socket: Socket) => string | undefined = echo,
): Promise<RecordingOrigin> {
  const recordings: Recording[] = []
  const requests: OriginRequest[] = []
  const sockets = new Set<Socket>()
  const server = net.createServer((socket) => {
    const recording = new Recording()
    recordings.push(recording)
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (data) => {
      for (const request of recording.push(data.toString('latin1'))) {
        requests.push(request)
        const bytes = answer(request, socket)
        if (bytes !== undefined) socket.write(bytes, 'latin1')
      }
      if (recording.problems.length > 0) socket.destroy()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    recordings,
    requests,
    async ended() {
      server.close()
      if (sockets.size > 0 || server.listening) await once(server, 'close')
    },
  }
}

export function echo({ method, target }: OriginRequest): string {
  const text = `${method} ${target}`
  const status = method === 'CONNECT' ? '405 Method Not Allowed' : '200 OK'
  return `HTTP/1.1 ${status}\r\nContent-Length: ${text.length}\r\n\r\n${text}`
}
