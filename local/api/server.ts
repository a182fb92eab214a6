/**
 * The API of a running cluster on a Unix socket: HTTP with JSON, for the verbs of `weft local`. Only the owner of the
 * cluster may open the socket, so there is nothing to authorize.
 */
import { spawn } from 'node:child_process'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { isKind, type Kind, nameOf, type Resource } from '../../api/resources/kinds.ts'
import { formatProblem, parseManifests } from '../../api/resources/manifests.ts'
import type { Pod } from '../../api/resources/pod.ts'
import { keyOf } from '../../control/resources/directory-source.ts'
import type { WritableResourceStore } from '../../control/resources/store.ts'
import type { LocalCluster } from '../cluster/cluster.ts'
import { checkRules, type RuleContext } from '../cluster/rules.ts'
import type { Report } from '../metrics/report.ts'
import { ExecFrame, encodeFrame, FrameDecoder } from './exec-frames.ts'

export interface ApiOptions {
  readonly store: WritableResourceStore
  readonly cluster: LocalCluster
  readonly ruleContext: RuleContext
  /** What the proxies counted after `sinceMs`. */
  readonly report: (sinceMs: number) => Report
}

/** Largest manifest that `apply` takes. */
const MAX_BODY_BYTES = 4 * 1024 * 1024

/** A request that cannot be fulfilled as it is; the message is for the user. */
class BadRequest extends Error {}

type Handler = (query: URLSearchParams, body: string, response: ServerResponse, request: IncomingMessage) => unknown

export class ApiServer {
  readonly #options: ApiOptions
  readonly #server: Server
  readonly #routes: ReadonlyMap<string, Handler>

  constructor(options: ApiOptions) {
    this.#options = options
    this.#routes = new Map<string, Handler>([
      ['GET /objects', (query) => this.#objects(query)],
      ['GET /report', (query) => options.report(Number(query.get('since') ?? '0'))],
      ['POST /apply', (query, body) => this.#apply(query, body)],
      ['POST /delete', (query) => this.#delete(query)],
      ['POST /scale', (query) => this.#scale(query)],
      ['GET /logs', (query, _, response, request) => this.#logs(query, response, request)],
    ])
    this.#server = createServer((request, response) => void this.#serve(request, response))
    this.#server.on('upgrade', (request, socket) => this.#upgrade(request, socket as Socket))
  }

  async listen(path: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(path, resolve)
    })
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const url = new URL(request.url ?? '/', 'http://cluster')
      const handler = this.#routes.get(`${request.method} ${url.pathname}`)
      if (handler === undefined) throw new BadRequest(`there is no ${request.method} ${url.pathname}`)
      const result = await handler(url.searchParams, await readBody(request), response, request)
      if (result === undefined) return
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(result))
    } catch (cause) {
      const isOurs = !(cause instanceof BadRequest)
      response.statusCode = isOurs ? 500 : 400
      response.end(JSON.stringify({ error: (cause as Error).message }))
    }
  }

  #objects(query: URLSearchParams): readonly Resource[] {
    const kind = kindOf(query)
    const namespace = query.get('namespace')
    const name = query.get('name')
    const found = (this.#options.store.list(kind) as readonly Resource[]).filter(
      ({ metadata }) =>
        (namespace === null || metadata.namespace === namespace) && (name === null || metadata.name === name),
    )
    if (name !== null && found.length === 0)
      throw new BadRequest(`there is no ${kind} ${name}${namespace === null ? '' : ` in namespace ${namespace}`}`)
    return found
  }

  #apply(
    query: URLSearchParams,
    body: string,
  ): { readonly applied: readonly string[]; readonly notes: readonly string[] } {
    const { store, ruleContext } = this.#options
    const parsed = parseManifests(body, query.get('file') ?? 'standard input', {
      namespace: query.get('namespace') ?? 'default',
    })
    const problems = parsed.problems.length > 0 ? parsed.problems : checkRules(parsed, ruleContext)
    if (problems.length > 0) throw new BadRequest(problems.map(formatProblem).join('\n'))
    store.apply(parsed.objects)
    return { applied: parsed.objects.map(nameOf), notes: parsed.notes.map(formatProblem) }
  }

  #delete(query: URLSearchParams): { readonly deleted: string } {
    const { store, cluster } = this.#options
    const object = this.#one(kindOf(query), query)
    // A pod ends before it disappears; its deployment then makes another one.
    if (object.kind === 'Pod') cluster.deletePod(object)
    else store.delete([keyOf(object)])
    return { deleted: nameOf(object) }
  }

  #scale(query: URLSearchParams): { readonly scaled: string } {
    const kind = kindOf(query)
    if (kind !== 'Deployment') throw new BadRequest(`a ${kind} cannot be scaled; name a deployment`)
    const deployment = this.#one('Deployment', query)
    const replicas = Number(query.get('replicas') ?? '')
    if (!Number.isInteger(replicas) || replicas < 0 || replicas > 1_000) {
      throw new BadRequest(`${query.get('replicas')} is not a number of replicas (0 to 1000)`)
    }
    if (deployment.kind === 'Deployment')
      this.#options.store.apply([{ ...deployment, spec: { ...deployment.spec, replicas } }])
    return { scaled: `${nameOf(deployment)} to ${replicas}` }
  }

  #logs(query: URLSearchParams, response: ServerResponse, request: IncomingMessage): undefined {
    const { runner, container } = this.#container(query)
    const log = runner.log(container)
    if (log === undefined) throw new BadRequest(`container ${container} has not started yet`)
    response.setHeader('content-type', 'text/plain; charset=utf-8')
    const tail = query.get('tail')
    response.write(log.tail(tail === null ? undefined : Number(tail)))
    if (query.get('follow') !== 'true') return void response.end()
    const end = log.follow(
      (chunk) => {
        // A reader who cannot keep up loses lines instead of filling our memory.
        if (!response.writableNeedDrain) response.write(chunk)
      },
      () => response.end(),
    )
    request.on('close', end)
    return undefined
  }

  /** `exec`: frames of standard input one way, of output and the exit code the other. */
  #upgrade(request: IncomingMessage, socket: Socket): void {
    try {
      const url = new URL(request.url ?? '/', 'http://cluster')
      if (url.pathname !== '/exec') throw new BadRequest(`there is no ${url.pathname} to upgrade`)
      const { runner, container } = this.#container(url.searchParams)
      const prepared = runner.execCommand(container, url.searchParams.getAll('command'))
      if (prepared === undefined)
        throw new BadRequest(`container ${container} is not running; see: weft local get pods`)
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: weft-exec\r\n\r\n')
      const child = spawn(prepared.command, prepared.args, {
        env: prepared.env,
        stdio: ['pipe', 'pipe', 'pipe'],
        detached: true,
      })
      pipeFrames(child.stdout, socket, ExecFrame.stdout)
      pipeFrames(child.stderr, socket, ExecFrame.stderr)
      const input = new FrameDecoder((type, payload) => {
        if (type === ExecFrame.stdin && payload.length > 0) child.stdin.write(payload)
        else child.stdin.end()
      })
      child.stdin.on('error', () => {})
      socket.on('data', (chunk: Buffer) => input.push(chunk))
      const kill = () => {
        if (child.pid === undefined || child.exitCode !== null) return
        try {
          process.kill(-child.pid, 'SIGKILL')
        } catch {
          // It ended in this moment.
        }
      }
      socket.on('close', kill)
      socket.on('error', kill)
      child.on('error', (error) =>
        socket.end(encodeFrame(ExecFrame.exit, Buffer.from(JSON.stringify({ code: 126, error: error.message })))),
      )
      child.on('close', (code, signal) =>
        socket.end(encodeFrame(ExecFrame.exit, Buffer.from(JSON.stringify({ code: code ?? 137, signal })))),
      )
    } catch (cause) {
      const body = JSON.stringify({ error: (cause as Error).message })
      socket.end(
        `HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
      )
    }
  }

  #container(query: URLSearchParams) {
    const pod = this.#one('Pod', query) as Pod
    const runner = this.#options.cluster.runner(pod.metadata.namespace, pod.metadata.name)
    if (runner === undefined) throw new BadRequest(`${nameOf(pod)} is not running`)
    const container = query.get('container') ?? runner.defaultContainer
    const known = [...pod.spec.initContainers, ...pod.spec.containers].map(({ name }) => name)
    if (!known.includes(container))
      throw new BadRequest(`${nameOf(pod)} has no container ${container}; it has ${known.join(', ')}`)
    return { runner, container }
  }

  /** The object meant by kind and name; for pods the name of their deployment will do. */
  #one(kind: Kind, query: URLSearchParams): Resource {
    const name = query.get('name') ?? ''
    const namespace = query.get('namespace')
    const inNamespace = (this.#options.store.list(kind) as readonly Resource[]).filter(
      ({ metadata }) => namespace === null || metadata.namespace === namespace,
    )
    const exact = inNamespace.filter(({ metadata }) => metadata.name === name)
    const isOwned = ({ metadata }: Resource) => metadata.ownerReferences.some((owner) => owner.name === name)
    const found = exact.length > 0 || kind !== 'Pod' ? exact : inNamespace.filter(isOwned)
    const [first] = found
    if (first === undefined) {
      throw new BadRequest(
        `there is no ${kind} ${name}${namespace === null ? '' : ` in namespace ${namespace}`}; see: weft local get ${kind.toLowerCase()}s`,
      )
    }
    const namespaces = new Set(found.map(({ metadata }) => metadata.namespace))
    if (namespaces.size > 1)
      throw new BadRequest(`${name} is in several namespaces (${[...namespaces].join(', ')}); choose with -n`)
    return first
  }
}

function kindOf(query: URLSearchParams): Kind {
  const kind = query.get('kind') ?? ''
  if (!isKind(kind)) throw new BadRequest(`${kind} is not a known kind`)
  return kind
}

function pipeFrames(from: NodeJS.ReadableStream, to: Duplex, type: number): void {
  from.on('data', (chunk: Buffer) => {
    if (to.write(encodeFrame(type, chunk))) return
    from.pause()
    to.once('drain', () => from.resume())
  })
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) throw new BadRequest(`a manifest may have ${MAX_BODY_BYTES} bytes; split it`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
