/** HTTP/1 (with WebSocket) and HTTP/2 with prior knowledge, both on the same paths. */
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { hostname } from 'node:os'
import process from 'node:process'
import type { Readable, Writable } from 'node:stream'
import { WebSocketServer } from 'ws'
import { TestPort } from '../grpc-echo.ts'
import { attemptsOf, countOfMood, nextOfMood, nextStep, setMood } from './plan.ts'
import { slowOnes } from './slow-ones.ts'

interface Request extends Readable {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly headers: IncomingHttpHeaders
}

interface Response extends Writable {
  writeHead(status: number, headers: Record<string, string>): unknown
}

type Handler = (request: Request, response: Response, query: URLSearchParams) => Promise<void> | void

const BLOCK = Buffer.alloc(64 * 1024, 'weft')
const POD = hostname()

/** How often each id came, as `x-request-id`: the attempts of one request. */
const attempts = new Map<string, number>()
let totalAttempts = 0

const HANDLERS = new Map<string, Handler>([
  ['/ready', (_, response) => answer(response, 200, {})],
  [
    '/who',
    (request, response) => answer(response, 200, { pod: POD, clientId: request.headers['l5d-client-id'] ?? '' }),
  ],
  ['/echo', echo],
  ['/fail', fail],
  ['/plan', plan],
  ['/attempts', (_, response, query) => answer(response, 200, { attempts: attemptsOf(query.get('id') ?? '') })],
  ['/moody', (_, response) => answer(response, nextOfMood(), { pod: POD })],
  ['/mood', changeMood],
  ['/slow', slow],
  ['/bytes', bytes],
  ['/sink', sink],
  ['/count', (_, response) => answer(response, 200, { totalAttempts, inFlight: slowOnes.inFlight })],
])

export async function serveHttp(): Promise<() => Promise<void>> {
  let isEnding = false
  const server = createServer((request, response) => {
    // As any well-behaved server: who still talks to it is told to go elsewhere afterwards.
    if (isEnding) response.setHeader('connection', 'close')
    handle(request, response)
  })
  const sockets = new WebSocketServer({ server, path: '/chat' })
  sockets.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  await new Promise<void>((resolve) => server.listen(TestPort.http, resolve))
  return () => {
    isEnding = true
    sockets.close()
    return new Promise((resolve) => {
      server.close(() => resolve())
      server.closeIdleConnections()
    })
  }
}

export async function serveHttp2(): Promise<() => Promise<void>> {
  const server = createHttp2Server((request, response) => handle(request as Request, response as unknown as Response))
  const sessions = new Set<{ close(): void }>()
  server.on('session', (session) => {
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
    session.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(TestPort.http2, resolve))
  return () => {
    for (const session of sessions) session.close()
    return new Promise((resolve) => server.close(() => resolve()))
  }
}

function handle(request: Request, response: Response): void {
  const url = new URL(request.url ?? '/', 'http://server')
  const handler = HANDLERS.get(url.pathname) ?? (url.pathname.startsWith('/show') ? show : undefined)
  response.on('error', () => {})
  request.on('error', () => {})
  if (handler === undefined) return answer(response, 404, { error: `there is no ${url.pathname}` })
  Promise.resolve(handler(request, response, url.searchParams)).catch((error: Error) => response.destroy(error))
}

function answer(response: Response, status: number, value: unknown): void {
  const body = JSON.stringify(value)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) })
  response.end(body)
}

async function echo(request: Request, response: Response): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  answer(response, 200, {
    pod: POD,
    secret: request.headers['x-secret'] ?? '',
    body: Buffer.concat(chunks).toString(),
    own: process.env.ANSWER ?? '',
  })
}

/** The request as it came. */
function show(request: Request, response: Response): void {
  const { method, url, headers } = request
  answer(response, 200, { pod: POD, method, url, headers })
}

/** `be`: statuses from now on, by turns. Tells how many were given so far. */
function changeMood(_: Request, response: Response, query: URLSearchParams): void {
  const answered = countOfMood()
  const be = query.get('be')
  if (be !== null) setMood(be.split(',').map(Number))
  answer(response, 200, { answered })
}

/** Answers as the request's `x-plan` says; see `plan.ts`. */
async function plan(request: Request, response: Response): Promise<void> {
  let received = 0
  for await (const chunk of request as AsyncIterable<Buffer>) received += chunk.length
  const { 'x-plan': steps, 'x-request-id': id } = request.headers
  const { code, delayMs, attempt } = nextStep(String(steps), String(id))
  if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs))
  answer(response, code, { pod: POD, attempt, received })
}

/** Fails the first `times` attempts of one request id. */
async function fail(request: Request, response: Response, query: URLSearchParams): Promise<void> {
  let received = 0
  for await (const chunk of request as AsyncIterable<Buffer>) received += chunk.length
  const id = String(request.headers['x-request-id'] ?? '')
  const attempt = (attempts.get(id) ?? 0) + 1
  attempts.set(id, attempt)
  totalAttempts++
  answer(response, attempt <= Number(query.get('times')) ? 503 : 200, { attempt, received })
}

/** `head`: the head goes out at once and only the content is late. */
async function slow(_: Request, response: Response, query: URLSearchParams): Promise<void> {
  slowOnes.inFlight++
  const body = JSON.stringify({ pod: POD })
  const headers = { 'content-type': 'application/json', 'content-length': String(body.length) }
  if (query.has('head')) {
    response.writeHead(200, headers)
    response.write(body.slice(0, 1))
  }
  await new Promise((resolve) => setTimeout(resolve, Number(query.get('ms'))))
  if (!query.has('head')) {
    response.writeHead(200, headers)
    response.write(body.slice(0, 1))
  }
  response.end(body.slice(1))
  slowOnes.inFlight--
}

async function bytes(_: Request, response: Response, query: URLSearchParams): Promise<void> {
  const wanted = Number(query.get('n'))
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': String(wanted) })
  for (let left = wanted; left > 0 && !response.destroyed; ) {
    const block = BLOCK.subarray(0, Math.min(left, BLOCK.length))
    left -= block.length
    if (!response.write(block)) await drained(response)
  }
  response.end()
}

function drained(response: Response): Promise<void> {
  return new Promise((resolve) => {
    const resume = () => {
      response.off('drain', resume)
      response.off('close', resume)
      resolve()
    }
    response.on('drain', resume)
    response.on('close', resume)
  })
}

async function sink(request: Request, response: Response): Promise<void> {
  let received = 0
  for await (const chunk of request as AsyncIterable<Buffer>) received += chunk.length
  answer(response, 200, { pod: POD, received })
}
