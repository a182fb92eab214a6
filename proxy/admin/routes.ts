/**
 * What the admin port answers, as one pure function over one table (facts: behaviour 4.1). Whoever serves it brings the
 * bytes: the proxy's own HTTP/1 engine, or a test.
 */
import type { Explainer } from '../explain/explainer.ts'
import type { Logger } from '../telemetry/log.ts'

export interface AdminRequest {
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** Without the question mark; empty when there is none. */
  readonly query: string
  /** The value of `accept`; `undefined` accepts everything. */
  readonly accept: string | undefined
  readonly body: string
  /** The client is in this pod. */
  readonly isLoopback: boolean
}

export interface AdminResponse {
  readonly status: number
  readonly contentType: string | undefined
  readonly body: string
  /** Large and repetitive: worth compressing for clients that take it. */
  readonly isCompressible: boolean
  /** For 405: the methods there are. */
  readonly allow: string | undefined
}

export interface AdminContext {
  readonly isReady: () => boolean
  /** A promise where other processes have a part in the page. */
  readonly renderMetrics: () => string | Promise<string>
  readonly env: { readonly [name: string]: string | undefined }
  readonly log: Logger
  /** The log filter was changed. */
  readonly onLogFilter?: (filter: string) => void
  readonly explainer: Pick<Explainer, 'explain'>
  readonly isShutdownEnabled: boolean
  readonly onShutdown: () => void
}

interface AdminRoute {
  readonly path: string
  /** Without methods: any. */
  readonly methods?: readonly string[]
  readonly from: 'anywhere' | 'loopback'
  readonly handle: (request: AdminRequest, context: AdminContext) => AdminResponse | Promise<AdminResponse>
}

const ROUTES: readonly AdminRoute[] = [
  { path: '/ready', from: 'anywhere', handle: ready },
  { path: '/live', from: 'anywhere', handle: () => text(200, 'live\n') },
  { path: '/metrics', methods: ['GET', 'HEAD'], from: 'anywhere', handle: metrics },
  { path: '/env.json', methods: ['GET', 'HEAD'], from: 'anywhere', handle: env },
  { path: '/proxy-log-level', methods: ['GET', 'PUT'], from: 'loopback', handle: logLevel },
  // Says who is let in and why, where everything goes, and what requests look like that get there.
  { path: '/explain', methods: ['POST'], from: 'loopback', handle: explain },
  { path: '/shutdown', methods: ['POST'], from: 'loopback', handle: shutdown },
]

export function answerAdmin(request: AdminRequest, context: AdminContext): AdminResponse | Promise<AdminResponse> {
  const route = ROUTES.find(({ path }) => path === request.path)
  if (route === undefined) return text(404, '')
  const { methods, from, handle } = route
  if (methods !== undefined && !methods.includes(request.method)) return { ...text(405, ''), allow: methods.join(', ') }
  // Before "from where": a disabled endpoint is the same for everybody.
  if (handle === shutdown && !context.isShutdownEnabled) return text(404, 'shutdown endpoint is not enabled\n')
  if (from === 'loopback' && !request.isLoopback) return text(403, 'Requests are only permitted from localhost.')
  return handle(request, context)
}

function ready(_request: AdminRequest, { isReady }: AdminContext): AdminResponse {
  return isReady() ? text(200, 'ready\n') : text(503, 'not ready\n')
}

function metrics(_request: AdminRequest, { renderMetrics }: AdminContext): AdminResponse | Promise<AdminResponse> {
  const respond = (page: string): AdminResponse => ({ ...text(200, page), isCompressible: true })
  const page = renderMetrics()
  return typeof page === 'string' ? respond(page) : page.then(respond)
}

function env({ query, accept }: AdminRequest, context: AdminContext): AdminResponse {
  if (!acceptsJson(accept)) return text(406, 'only application/json is served here\n')
  if (query.includes('=')) return text(400, 'the query is a list of names such as ?HOME&PATH\n')
  const names = query === '' ? Object.keys(context.env).sort() : query.split('&').filter((name) => name !== '')
  // fromEntries defines own properties, so that no name (`__proto__`) means anything but itself.
  const values = Object.fromEntries(names.map((name) => [name, variable(context.env, name)]))
  return { ...text(200, `${JSON.stringify(values)}\n`), contentType: 'application/json' }
}

function variable(vars: AdminContext['env'], name: string): string | null {
  return Object.hasOwn(vars, name) ? (vars[name] ?? null) : null
}

function logLevel({ method, body }: AdminRequest, { log, onLogFilter }: AdminContext): AdminResponse {
  if (method === 'GET') return text(200, log.filter)
  const problem = log.setFilter(body.trim())
  if (problem === undefined) onLogFilter?.(log.filter)
  return problem === undefined ? { ...text(204, ''), contentType: undefined } : text(400, `${problem}\n`)
}

async function explain({ query, body }: AdminRequest, { explainer }: AdminContext): Promise<AdminResponse> {
  return { ...text(200, ''), ...(await explainer.explain(query, body)) }
}

function shutdown(_request: AdminRequest, { onShutdown }: AdminContext): AdminResponse {
  onShutdown()
  return text(200, 'shutdown\n')
}

function acceptsJson(accept: string | undefined): boolean {
  if (accept === undefined || accept.trim() === '') return true
  return accept.split(',').some((range) => /^\s*(?:\*\/\*|application\/(?:\*|json))\s*(?:;|$)/i.test(range))
}

function text(status: number, body: string): AdminResponse {
  return { status, contentType: 'text/plain', body, isCompressible: false, allow: undefined }
}
