/** The generators against Node's own servers, which decode what is sent: a load that sends nonsense measures nothing. */
import { once } from 'node:events'
import { createServer as createHttp1Server, type IncomingHttpHeaders } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { Server as GrpcServer, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js'
import { test } from 'tap'
import { startConnectLoad } from './connect-load.ts'
import { startGrpcLoad } from './grpc-load.ts'
import { startH1Load } from './h1-load.ts'
import { startH2Load } from './h2-load.ts'
import { CLOSED_LOOP, type Load, type LoadOptions } from './load.ts'
import { Recorder } from './recorder.ts'
import { startTcpLoad } from './tcp-load.ts'

const REQUESTS = 300

const OPTIONS: LoadOptions = {
  host: '127.0.0.1',
  port: 0,
  connections: 3,
  streams: 4,
  bodyBytes: 0,
  messages: 1,
  endsStreams: true,
  authority: 'shop:80',
}

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
      seen.push({ headers: request.headers, path: request.url ?? '', bytes })
      response.setHeader('content-length', '2')
      response.end('ok')
    } catch {
      return // The load was stopped in the middle of this one, and its stream cannot be answered.
    }
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
  recorder.begin(0)
  const running = load({ ...OPTIONS, port, bodyBytes }, recorder, CLOSED_LOOP)
  await enough.promise
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

/** Runs `load` until `enough` requests are counted. */
async function runUntil(load: Load, options: Partial<LoadOptions>, enough: number): Promise<Recorder> {
  const recorder = new Recorder()
  recorder.begin(0)
  const reached = Promise.withResolvers<void>()
  const count = recorder.success.bind(recorder)
  recorder.success = (...args) => {
    count(...args)
    if (recorder.requests >= enough) reached.resolve()
  }
  const running = load({ ...OPTIONS, ...options }, recorder, CLOSED_LOOP)
  await reached.promise
  running.stop()
  return recorder
}

test('tcp: as many bytes come back as went out', async (t) => {
  const server = createTcpServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const recorder = await runUntil(startTcpLoad, { port, bodyBytes: 100_000 }, 20)
  server.close()
  t.equal(recorder.failures, 0, recorder.firstFailure)
  t.equal(recorder.contentBytes, recorder.requests * 200_000)
})

test('connect: every request is a connection of its own', async (t) => {
  let connections = 0
  const server = createTcpServer((socket) => {
    connections++
    socket.on('error', () => {}).pipe(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const recorder = await runUntil(startConnectLoad, { port }, 20)
  server.close()
  t.equal(recorder.failures, 0, recorder.firstFailure)
  t.ok(connections >= recorder.requests, `${connections} connections for ${recorder.requests} requests`)
})

for (const messages of [1, 7]) {
  test(`grpc: a server of @grpc/grpc-js sees calls of ${messages} messages and answers each`, async (t) => {
    const calls: number[] = []
    const ids = new Set<unknown>()
    const server = new GrpcServer()
    const raw = (bytes: Buffer) => bytes
    server.addService(
      {
        watchStock: {
          path: '/shop.inventory.v1.Inventory/WatchStock',
          requestStream: true,
          responseStream: true,
          requestSerialize: raw,
          requestDeserialize: raw,
          responseSerialize: raw,
          responseDeserialize: raw,
        },
      },
      {
        watchStock: (call: ServerDuplexStream<Buffer, Buffer>) => {
          let received = 0
          ids.add(call.metadata.get('x-request-id')[0])
          call.on('data', (message: Buffer) => {
            received++
            call.write(message)
          })
          call.on('end', () => {
            calls.push(received)
            call.end()
          })
          call.on('error', () => {})
        },
      },
    )
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    )
    const recorder = await runUntil(startGrpcLoad, { port, bodyBytes: 128, messages }, 400)
    server.forceShutdown()
    t.equal(recorder.failures, 0, recorder.firstFailure)
    t.ok(calls.length > 0 && calls.every((received) => received === messages), calls.join())
    t.ok(ids.size >= calls.length, 'every call has its own request id')
    t.equal(recorder.contentBytes, recorder.requests * 128)
  })
}
