/**
 * What the resource store needs of a Kubernetes API server: read JSON, and follow a watch line by line.
 *
 * Spoken over node:http, since a watch that is parsed line by line holds one object at a time, where a general client
 * first makes a model of every field of every pod.
 */
import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'

export interface KubernetesApi {
  /** @throws {KubernetesApiError} */
  get(path: string, signal: AbortSignal): Promise<unknown>
  /**
   * Creates an object, or asks by one (a review). @returns the object as the server answers it
   * @throws {KubernetesApiError}
   */
  post(path: string, body: object, signal: AbortSignal): Promise<unknown>
  /**
   * The lines of a watch, as many at a time as arrived together; ends when the server ends it.
   * @throws {KubernetesApiError}
   */
  watch(path: string, signal: AbortSignal): AsyncIterable<readonly string[]>
}

/** The request failed; the message is a sentence with what to do. */
export class KubernetesApiError extends Error {
  /** HTTP status; `undefined` when there was no answer. */
  readonly status: number | undefined

  constructor(message: string, status?: number) {
    super(message)
    this.status = status
  }
}

export interface HttpKubernetesApiOptions {
  /** `https://10.0.0.1:443` */
  readonly server: string
  /** Asked for each request, since projected tokens are replaced while the process runs. */
  readonly token?: () => string
  /** PEM certificates that the API server's must chain to. */
  readonly ca?: string
  /** A connection that says nothing for so long is dead; bookmarks come about once a minute. */
  readonly silenceMs?: number
}

const SILENCE_MS = 180_000
/** An object is 1.5 MB at most in etcd, and a page of a list holds `PAGE_SIZE` of them. */
const MAX_BODY_BYTES = 256 * 1024 * 1024
const MAX_LINE_CHARACTERS = 16 * 1024 * 1024
const MAX_ERROR_BYTES = 64 * 1024

export class HttpKubernetesApi implements KubernetesApi {
  readonly #options: HttpKubernetesApiOptions
  readonly #agent: http.Agent

  constructor(options: HttpKubernetesApiOptions) {
    this.#options = options
    const isSecure = options.server.startsWith('https:')
    this.#agent = isSecure ? new https.Agent({ keepAlive: true, ca: options.ca }) : new http.Agent({ keepAlive: true })
  }

  get(path: string, signal: AbortSignal): Promise<unknown> {
    return this.#json(path, signal)
  }

  post(path: string, body: object, signal: AbortSignal): Promise<unknown> {
    return this.#json(path, signal, body)
  }

  async #json(path: string, signal: AbortSignal, body?: object): Promise<unknown> {
    const text = await bodyOf(await this.#request(path, signal, body), MAX_BODY_BYTES)
    try {
      return JSON.parse(text)
    } catch {
      throw new KubernetesApiError(
        `${this.#options.server} answered ${path} with what is not JSON; is it an API server?`,
      )
    }
  }

  async *watch(path: string, signal: AbortSignal): AsyncGenerator<readonly string[]> {
    const response = await this.#request(path, signal)
    response.setEncoding('utf8')
    let rest = ''
    try {
      for await (const chunk of response) {
        const lines = `${rest}${chunk}`.split('\n')
        rest = lines.pop() ?? ''
        if (rest.length > MAX_LINE_CHARACTERS) throw new KubernetesApiError(`${path}: an event is longer than 16 MiB`)
        const whole = lines.filter((line) => line !== '')
        if (whole.length > 0) yield whole
      }
    } catch (cause) {
      throw cause instanceof KubernetesApiError ? cause : this.#unreachable(cause)
    } finally {
      response.destroy()
    }
  }

  close(): void {
    this.#agent.destroy()
  }

  async #request(path: string, signal: AbortSignal, body?: object): Promise<http.IncomingMessage> {
    const { server, token, silenceMs = SILENCE_MS } = this.#options
    const { request: send } = server.startsWith('https:') ? https : http
    const method = body === undefined ? 'GET' : 'POST'
    const bearer = token?.()
    const headers = {
      accept: 'application/json',
      ...(body && { 'content-type': 'application/json' }),
      ...(bearer && { authorization: `Bearer ${bearer}` }),
    }
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      const request = send(new URL(path, server), { method, agent: this.#agent, headers, signal }, resolve)
      request.on('error', (cause) => reject(this.#unreachable(cause)))
      request.setTimeout(silenceMs, () => request.destroy(new Error(`silent for ${silenceMs / 1000} s`)))
      request.end(body && JSON.stringify(body))
    })
    const { statusCode: status = 0 } = response
    if (status === 200 || status === 201) return response
    const text = await bodyOf(response, MAX_ERROR_BYTES).catch(() => '')
    throw new KubernetesApiError(refusalSentence(status, path, text), status)
  }

  #unreachable(cause: unknown): KubernetesApiError {
    const { server } = this.#options
    const { message } = cause as Error
    return new KubernetesApiError(`the API server ${server} cannot be reached (${message}); check address and network`)
  }
}

const ACCOUNT_DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount'

/**
 * Options from what Kubernetes gives every pod with a service account.
 * @throws {KubernetesApiError} when this is no such pod
 */
export function inClusterOptions(
  env: Readonly<Record<string, string | undefined>>,
  directory = ACCOUNT_DIRECTORY,
): HttpKubernetesApiOptions {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env
  if (host === undefined || host === '') {
    throw new KubernetesApiError('KUBERNETES_SERVICE_HOST is not set: this is no pod of Kubernetes; start it in one')
  }
  const read = (name: string) => {
    try {
      return readFileSync(`${directory}/${name}`, 'utf8').trim()
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException
      throw new KubernetesApiError(
        `${directory}/${name} cannot be read (${code}); mount the token of the pod's service account`,
      )
    }
  }
  read('token')
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`
  return { server, ca: read('ca.crt'), token: () => read('token') }
}

function refusalSentence(status: number, path: string, body: string): string {
  // The server's own sentence names user, verb and resource.
  let said = ''
  try {
    said = String((JSON.parse(body) as { message?: unknown }).message ?? '').slice(0, 500)
  } catch {
    // Not from the API server itself (a proxy in front of it): the status has to do.
  }
  const why = said === '' ? `HTTP ${status}` : said
  if (status === 401) return `${path}: the API server does not accept the token (${why}); renew the service account's`
  if (status === 403) return `${path}: no permission (${why}); grant this verb on this resource in a ClusterRole`
  return `${path}: the API server answered ${status} (${why})`
}

async function bodyOf(response: http.IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > maxBytes) throw new Error(`more than ${maxBytes} bytes`)
      chunks.push(chunk)
    }
  } catch (cause) {
    throw new KubernetesApiError(`an answer of the API server broke off (${(cause as Error).message})`)
  } finally {
    response.destroy()
  }
  return Buffer.concat(chunks).toString('utf8')
}
