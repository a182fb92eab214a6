/** HTTP/1 as an ordinary Node program makes it: `node:http` with kept-alive connections. */
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { inParallel, Summary, type SummaryReport } from './summary.ts'

export interface HttpRequest {
  readonly url: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export interface HttpResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

const agent = new Agent({ keepAlive: true, maxSockets: 64, timeout: 60_000 })

/** One request; a connection that breaks is an error. */
export async function http(options: HttpRequest, pool: Agent = agent): Promise<HttpResponse> {
  const response = await begin(options, pool)
  return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) }
}

export async function manyHttp(
  options: HttpRequest & { readonly count: number; readonly concurrency: number },
): Promise<SummaryReport> {
  const summary = new Summary()
  await inParallel(options.count, options.concurrency, () => into(summary, options, agent))
  return summary.report()
}

/** One request whose outcome goes into `summary`; answers of the test server name its pod. */
export async function into(summary: Summary, options: HttpRequest, pool: Agent): Promise<void> {
  try {
    const { status, headers, body } = await http(options, pool)
    if (status === 200) summary.success((JSON.parse(body) as { pod: string }).pod)
    else summary.failure(`${status} ${headers['l5d-proxy-error'] ?? body.slice(0, 200)}`)
  } catch (error) {
    summary.failure(`${(error as NodeJS.ErrnoException).code} ${(error as Error).message}`)
  }
}

const BLOCK = Buffer.alloc(64 * 1024, 'mesh')

/** Sends `bytes` bytes as fast as they are taken. */
export async function upload({ url, bytes }: { readonly url: string; readonly bytes: number }): Promise<HttpResponse> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const call = request(url, { method: 'POST', headers: { 'content-length': String(bytes) } }, resolve)
    call.on('error', reject)
    let left = bytes
    const send = () => {
      while (left > 0) {
        const block = BLOCK.subarray(0, Math.min(left, BLOCK.length))
        left -= block.length
        if (!call.write(block)) return void call.once('drain', send)
      }
      call.end()
    }
    send()
  })
  return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) }
}

/** Reads to the end and counts. */
export async function download({ url }: { readonly url: string }): Promise<{ status: number; received: number }> {
  const response = await begin({ url }, agent)
  let received = 0
  for await (const chunk of response as AsyncIterable<Buffer>) received += chunk.length
  return { status: response.statusCode ?? 0, received }
}

const slowOnes = new Map<string, Promise<SummaryReport>>()

/** Starts `count` requests that last; with `head` it resolves when all answers have begun. */
export async function beginSlow({
  name,
  url,
  count,
}: {
  readonly name: string
  readonly url: string
  readonly count: number
}): Promise<void> {
  const summary = new Summary()
  const pool = new Agent({ keepAlive: true, maxSockets: count })
  const waitsForHead = new URL(url).searchParams.has('head')
  const heads: Promise<unknown>[] = []
  const all = Array.from({ length: count }, async () => {
    try {
      const head = begin({ url }, pool)
      heads.push(head)
      const response = await head
      const body = await text(response)
      if (response.statusCode === 200) summary.success((JSON.parse(body) as { pod: string }).pod)
      else summary.failure(`${response.statusCode} ${response.headers['l5d-proxy-error'] ?? body}`)
    } catch (error) {
      summary.failure((error as Error).message)
    }
  })
  slowOnes.set(
    name,
    Promise.all(all).then(() => summary.report()),
  )
  if (waitsForHead) await Promise.allSettled(heads)
}

/** How the requests of `beginSlow` ended. */
export function finishSlow({ name }: { readonly name: string }): Promise<SummaryReport | undefined> {
  return Promise.resolve(slowOnes.get(name))
}

function begin({ url, method = 'GET', headers = {}, body }: HttpRequest, pool: Agent): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const call = request(url, { method, headers: { ...headers, ...length }, agent: pool }, resolve)
    call.on('error', reject)
    call.end(body)
  })
}
