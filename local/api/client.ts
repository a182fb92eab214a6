/** The verbs' side of a running cluster's API. Problems come as one sentence in a `ClusterError`. */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { CONTROL_SOCKET, stateDirectory } from '../state-directory.ts'
import { ExecFrame, encodeFrame, FrameDecoder } from './exec-frames.ts'

export class ClusterError extends Error {
  override readonly name = 'ClusterError'
}

export type Query = Readonly<Record<string, string | readonly string[] | undefined>>

export class ClusterClient {
  readonly #name: string
  readonly #socketPath: string

  constructor(name: string, directory: string = stateDirectory(name)) {
    this.#name = name
    this.#socketPath = join(directory, CONTROL_SOCKET)
  }

  /** The JSON answer. @throws ClusterError with the cluster's own words */
  async call<T>(method: 'GET' | 'POST', path: string, query: Query, body?: string): Promise<T> {
    const response = await this.#request(method, path, query, body)
    return JSON.parse(await text(response)) as T
  }

  /** Copies the answer to `out` until it ends. */
  async stream(path: string, query: Query, out: Writable): Promise<void> {
    const response = await this.#request('GET', path, query)
    for await (const chunk of response) {
      if (!out.write(chunk)) await new Promise((resolve) => out.once('drain', resolve))
    }
  }

  /** Runs a command in a container with these streams. @returns its exit code */
  exec(query: Query, stdin: Readable, stdout: Writable, stderr: Writable): Promise<number> {
    return new Promise((resolve, reject) => {
      const call = httpRequest({
        socketPath: this.#socketPath,
        path: `/exec?${search(query)}`,
        headers: { connection: 'upgrade', upgrade: 'weft-exec' },
      })
      call.on('error', (error) => reject(this.#explain(error)))
      call.on('response', (response) => void text(response).then((body) => reject(new ClusterError(errorOf(body)))))
      call.on('upgrade', (_, socket, head) => {
        let code = 1
        const decoder = new FrameDecoder((type, payload) => {
          if (type === ExecFrame.stdout) stdout.write(payload)
          if (type === ExecFrame.stderr) stderr.write(payload)
          if (type === ExecFrame.exit) code = Number((JSON.parse(payload.toString()) as { code?: number }).code ?? 1)
        })
        decoder.push(head)
        socket.on('data', (chunk: Buffer) => decoder.push(chunk))
        socket.on('close', () => {
          stdin.off('data', send)
          stdin.pause()
          resolve(code)
        })
        const send = (chunk: Buffer | string) => void socket.write(encodeFrame(ExecFrame.stdin, Buffer.from(chunk)))
        stdin.on('data', send)
        stdin.once('end', () => socket.write(encodeFrame(ExecFrame.stdin, new Uint8Array(0))))
      })
      call.end()
    })
  }

  async #request(method: string, path: string, query: Query, body?: string): Promise<IncomingMessage> {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const call = httpRequest({ socketPath: this.#socketPath, method, path: `${path}?${search(query)}` }, resolve)
      call.on('error', (error) => reject(this.#explain(error)))
      call.end(body)
    })
    if (response.statusCode === 200) return response
    throw new ClusterError(errorOf(await text(response)))
  }

  #explain(error: Error): Error {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ECONNREFUSED') {
      const named = this.#name === 'default' ? '' : ` called ${this.#name}`
      return new ClusterError(`there is no running cluster${named}; start one with: weft local FILES`)
    }
    if (code === 'EACCES')
      return new ClusterError('the cluster belongs to another user; run this as the one who started it')
    return error
  }
}

function search(query: Query): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    for (const each of typeof value === 'string' ? [value] : (value ?? [])) parameters.append(name, each)
  }
  return parameters.toString()
}

async function text(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

function errorOf(body: string): string {
  try {
    return String((JSON.parse(body) as { error?: unknown }).error ?? body)
  } catch {
    return body
  }
}
