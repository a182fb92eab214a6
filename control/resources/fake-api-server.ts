/** An API server for tests that speaks the wire format of lists and watches: pages, bookmarks, 410, chunked JSON lines. */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Raw {
  readonly metadata: Record<string, unknown> & { readonly name: string; readonly namespace?: string }
  readonly [field: string]: unknown
}

export class FakeApiServer {
  /** Requests as they came, `path?query`. */
  readonly requests: string[] = []
  /** Answers everything with this status while it is set. */
  status: number | undefined
  #version = 100
  readonly #objects = new Map<string, Map<string, Raw>>()
  readonly #watches = new Map<string, Set<ServerResponse>>()
  /** Watches from before this version are refused. */
  #oldest = 0
  readonly #server = createServer((request, response) => {
    this.requests.push(request.url!)
    this.#answer(new URL(request.url!, 'http://fake'), response)
  })

  async listen(port = 0): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Installs a kind at `apis/group/version/plural`. */
  install(path: string): void {
    this.#objects.set(path, new Map())
  }

  put(path: string, raw: Raw): void {
    const { namespace = '', name } = raw.metadata
    const objects = this.#objects.get(path)!
    const key = `${namespace}/${name}`
    const type = objects.has(key) ? 'MODIFIED' : 'ADDED'
    const object = { ...raw, metadata: { uid: key, ...raw.metadata, resourceVersion: String(++this.#version) } }
    objects.set(key, object)
    this.send(path, type, object)
  }

  remove(path: string, key: string): void {
    const object = this.#objects.get(path)!.get(key)!
    this.#objects.get(path)!.delete(key)
    this.send(path, 'DELETED', {
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(++this.#version) },
    })
  }

  /** To all watches, in two pieces, as networks deliver. */
  send(path: string, type: string, object: object): void {
    const line = `${JSON.stringify({ type, object })}\n`
    for (const response of this.#watches.get(path) ?? []) {
      response.write(line.slice(0, 20))
      response.write(line.slice(20))
    }
  }

  bookmark(path: string): string {
    const resourceVersion = String(++this.#version)
    this.send(path, 'BOOKMARK', { kind: 'X', metadata: { resourceVersion } })
    return resourceVersion
  }

  /** Forgets what was before now. */
  compact(): void {
    this.#oldest = this.#version
  }

  /** Ends all watches, in order or as a crash does. */
  endWatches(how: 'end' | 'destroy' = 'end'): void {
    for (const responses of this.#watches.values()) for (const response of responses) response[how]()
  }

  close(): Promise<void> {
    this.endWatches('destroy')
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    return closed
  }

  #answer({ pathname, searchParams }: URL, response: ServerResponse): void {
    const path = pathname.slice(1)
    if (this.status !== undefined) return void json(response, this.status, { message: 'user "x" cannot list resource' })
    const objects = this.#objects.get(path)
    if (objects === undefined) {
      const kinds = [...this.#objects.keys()].filter((each) => each.slice(0, each.lastIndexOf('/')) === path)
      if (kinds.length === 0) return void json(response, 404, { message: 'the server could not find it' })
      return void json(response, 200, { resources: kinds.map((each) => ({ name: each.slice(path.length + 1) })) })
    }
    if (searchParams.get('watch') === 'true') {
      const isGone = Number(searchParams.get('resourceVersion')) < this.#oldest
      response.writeHead(200, { 'content-type': 'application/json' })
      response.flushHeaders()
      if (isGone) {
        response.end(
          `${JSON.stringify({ type: 'ERROR', object: { code: 410, message: 'too old resource version' } })}\n`,
        )
        return
      }
      const watches = this.#watches.get(path) ?? new Set()
      this.#watches.set(path, watches.add(response))
      response.on('close', () => watches.delete(response))
      return
    }
    const from = Number(searchParams.get('continue') ?? 0)
    const to = from + Number(searchParams.get('limit'))
    const all = [...objects.values()]
    const metadata = { resourceVersion: String(this.#version), ...(to < all.length && { continue: String(to) }) }
    json(response, 200, { metadata, items: all.slice(from, to) })
  }
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
