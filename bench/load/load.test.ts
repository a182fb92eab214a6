/** The generators against Node's own servers, which decode what is sent: a load that sends nonsense measures nothing. */
import { once } from 'node:events'
import { createServer as createHttp1Server, type IncomingHttpHeaders } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { test } from 'tap'
import { startH1Load } from './h1-load.ts'
import { startH2Load } from './h2-load.ts'
import type { Load } from './load.ts'
import { Recorder } from './recorder.ts'
import { startTcpLoad } from './tcp-load.ts'

const REQUESTS = 300

interface Seen {
  readonly headers: IncomingHttpHeaders
  readonly path: string
  readonly bytes: number
}

/** Runs `load` against a server that collects what it saw, until it saw enough. */
async function collect(
  kind: 'h1' | 'h2',
  load: Load,
  bodyBytes: number,
): Promise<{ seen: Seen[]; recorder: Recorder }> {
  const seen: Seen[] = []
  const enough = Promise.withResolvers<void>()
  const onRequest = async (
    request: AsyncIterable<Uint8Array> & { headers: IncomingHttpHeaders; url?: string | undefined },
    response: { setHeader(name: string, value: string): void; end(body: string): void },
  ) => {
    let bytes = 0
    try {
      for await (const chunk of request) bytes += chunk.length
    } catch {
      return // The load was stopped in the middle of this one.
    }
    seen.push({ headers: request.headers, path: request.url ?? '', bytes })
    response.setHeader('content-length', '2')
    response.end('ok')
    if (seen.length >= REQUESTS) enough.resolve()
  }
  const server: Server =
    kind === 'h1'
      ? createHttp1Server((request, response) => void onRequest(request, response))
      : (createHttp2Server((request, response) => void onRequest(request, response)) as unknown as Server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const recorder = new Recorder()
  recorder.begin()
  const running = load(
    { host: '127.0.0.1', port, connections: 3, streams: 4, bodyBytes, authority: 'shop:80' },
    recorder,
  )
  await enough.promise
  recorder.end()
  running.stop()
  server.close()
  return { seen, recorder }
}

for (const { kind, load } of [
  { kind: 'h1', load: startH1Load },
  { kind: 'h2', load: startH2Load },
] as const) {
  test(`${kind}: every request has 15 fields, and its own path, request id and trace`, async (t) => {
    const { seen, recorder } = await collect(kind, load, 0)
    t.equal(recorder.failures, 0, recorder.firstFailure)
    const unique = (name: string) => new Set(seen.map(({ headers }) => headers[name])).size
    t.equal(unique('x-request-id'), seen.length, 'request ids')
    t.equal(unique('traceparent'), seen.length, 'traces')
    t.equal(new Set(seen.map(({ path }) => path)).size, seen.length, 'paths')
    const [{ headers, path }] = seen as [Seen, ...Seen[]]
    t.match(path, /^\/api\/v1\/products\/[3-9bdf]{4}\/reviews\?expand=author,photos$/)
    t.match(headers['x-request-id'], /^[3-9bdf]{8}(-[3-9bdf]{4}){3}-[3-9bdf]{12}$/)
    t.match(headers.traceparent, /^00-[3-9bdf]{32}-[0-9a-f]{16}-01$/)
    t.match(headers.authorization, /^Bearer [\w-]+\.[\w-]+\.[\w-]+$/)
    // HTTP/1 has method, path and host where HTTP/2 has four pseudo-fields.
    const names = Object.keys(headers).filter((name) => !name.startsWith(':') && name !== 'host')
    t.equal(names.length, 11, names.join())
    t.ok(recorder.percentileMs(0.5) > 0)
  })

  test(`${kind}: a body arrives whole`, async (t) => {
    const { seen, recorder } = await collect(kind, load, 100_000)
    t.equal(recorder.failures, 0, recorder.firstFailure)
    t.ok(seen.every(({ bytes }) => bytes === 100_000))
  })
}

test('tcp: as many bytes come back as went out', async (t) => {
  const server = createTcpServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const recorder = new Recorder()
  recorder.begin()
  const enough = Promise.withResolvers<void>()
  const count = recorder.success.bind(recorder)
  recorder.success = (latencyMs, bytes) => {
    count(latencyMs, bytes)
    if (recorder.requests >= 20) enough.resolve()
  }
  const { port } = server.address() as AddressInfo
  const running = startTcpLoad({ host: '127.0.0.1', port, connections: 2, streams: 1, bodyBytes: 100_000 }, recorder)
  await enough.promise
  running.stop()
  server.close()
  t.equal(recorder.failures, 0, recorder.firstFailure)
  t.equal(recorder.contentBytes, recorder.requests * 200_000)
})

test('the recorder counts between begin and end, failures always', async (t) => {
  const recorder = new Recorder()
  recorder.success(1, 10)
  recorder.failure('first')
  recorder.failure('second')
  recorder.begin()
  for (let ms = 1; ms <= 100; ms++) recorder.success(ms, 1)
  recorder.end()
  recorder.success(1, 10)
  t.equal(recorder.requests, 100)
  t.equal(recorder.contentBytes, 100)
  t.equal(recorder.failures, 2)
  t.equal(recorder.firstFailure, 'first')
  t.equal(recorder.percentileMs(0.5), 50)
  t.equal(recorder.percentileMs(0.99), 99)
})
