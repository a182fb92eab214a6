/** What HTTP/2 can say, from a client to an application that both speak it. */
import { once } from 'node:events'
import http2 from 'node:http2'
import { test } from 'tap'
import { type App, connectHttp2, type StreamListener, startHttp2, until } from './apps.ts'
import { startPair } from './pair.ts'

/** An application that takes `maxStreams` streams on a connection, and counts. */
async function startLimited(
  maxStreams: number,
  listener: StreamListener,
): Promise<App & { readonly seen: { most: number; connections: number } }> {
  const seen = { most: 0, connections: 0 }
  const server = http2.createServer({ settings: { maxConcurrentStreams: maxStreams } })
  const sessions = new Set<http2.ServerHttp2Session>()
  server.on('session', (session) => {
    seen.connections++
    sessions.add(session)
    session.on('error', () => {})
    let open = 0
    session.on('stream', (stream: http2.ServerHttp2Stream) => {
      seen.most = Math.max(seen.most, ++open)
      stream.on('close', () => open--)
    })
  })
  server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
    stream.on('error', () => {})
    listener(stream, headers)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = (): void => {
    server.close()
    for (const session of sessions) session.destroy()
  }
  return { port: (server.address() as { port: number }).port, close, seen }
}

interface Answer {
  readonly status: number | undefined
  readonly informational: readonly number[]
  readonly bytes: number
  readonly headers: Record<string, unknown>
  readonly trailers: Record<string, unknown>
  readonly resetCode: number
}

/** Sends one request and hears all of its answer. */
async function exchange(
  client: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  content?: Buffer,
  trailers?: http2.OutgoingHttpHeaders,
): Promise<Answer> {
  const stream = client.request(headers, { endStream: content === undefined, waitForTrailers: trailers !== undefined })
  const answer = {
    status: undefined as number | undefined,
    informational: [] as number[],
    bytes: 0,
    headers: {},
    trailers: {},
  }
  stream.on('headers', (informational) => void answer.informational.push(informational[':status'] ?? 0))
  stream.on('response', (response) => {
    answer.status = response[':status']
    answer.headers = { ...response }
  })
  stream.on('trailers', (received) => {
    answer.trailers = { ...received }
  })
  stream.on('data', (chunk: Buffer) => {
    answer.bytes += chunk.length
  })
  stream.on('error', () => {})
  if (trailers !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  if (content !== undefined) stream.end(content)
  await new Promise<void>((resolve) => stream.on('close', () => resolve()))
  return { ...answer, resetCode: stream.rstCode ?? 0 }
}

for (const isMeshed of [false, true]) {
  const name = isMeshed ? 'meshed' : 'unmeshed'

  test(`informational answers, trailers and priorities, ${name}`, async (t) => {
    const seen: Record<string, unknown>[] = []
    const app = await startHttp2((stream, headers) => {
      seen.push({ ...headers })
      stream.on('trailers', (trailers) => void seen.push({ ...trailers }))
      stream.additionalHeaders({ ':status': 102 })
      stream.additionalHeaders({ ':status': 103, link: '</a>' })
      stream.additionalHeaders({ ':status': 103, link: '</b>' })
      stream.resume()
      stream.on('end', () => {
        stream.respond({ ':status': 200, trailer: 'x-sum', priority: 'u=1' }, { waitForTrailers: true })
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '1', 'x-more': '2' }))
        stream.end('content')
      })
    })
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    const client = await connectHttp2(pair.port)
    t.teardown(() => {
      client.destroy()
      pair.close()
      app.close()
    })
    const request = { ':method': 'POST', ':path': '/', te: 'trailers', trailer: 'x-end', priority: 'u=0, i' }
    const answer = await exchange(client, request, Buffer.from('abc'), { 'x-end': '3' })
    t.match(answer, {
      status: 200,
      informational: [102, 103, 103],
      bytes: 7,
      headers: { priority: 'u=1', trailer: 'x-sum' },
    })
    t.match(answer.trailers, { 'x-sum': '1', 'x-more': '2' })
    t.match(seen[0], { te: 'trailers', trailer: 'x-end', priority: 'u=0, i' })
    t.match(seen[1], { 'x-end': '3' })
  })

  test(`a HEAD, a 204 and a 304, ${name}`, async (t) => {
    const app = await startHttp2((stream, headers) => {
      if (headers[':method'] === 'HEAD')
        stream.respond({ ':status': 200, 'content-length': '1234' }, { endStream: true })
      else if (headers[':path'] === '/204') stream.respond({ ':status': 204 }, { endStream: true })
      else stream.respond({ ':status': 304, 'content-length': '1234', etag: 'a' }, { endStream: true })
    })
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    const client = await connectHttp2(pair.port)
    t.teardown(() => {
      client.destroy()
      pair.close()
      app.close()
    })
    t.match(await exchange(client, { ':method': 'HEAD' }), {
      status: 200,
      resetCode: 0,
      headers: { 'content-length': '1234' },
    })
    t.match(await exchange(client, { ':path': '/204' }), { status: 204, resetCode: 0 })
    t.match(await exchange(client, { ':path': '/304' }), {
      status: 304,
      resetCode: 0,
      headers: { 'content-length': '1234', etag: 'a' },
    })
  })

  test(`an application that takes few streams on a connection, ${name}`, async (t) => {
    const app = await startLimited(3, (stream) => {
      setTimeout(() => {
        stream.respond({ ':status': 200 })
        stream.end()
      }, 2)
    })
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    const client = await connectHttp2(pair.port)
    t.teardown(() => {
      client.destroy()
      pair.close()
      app.close()
    })
    const answers = await Promise.all(Array.from({ length: 100 }, () => exchange(client, { ':path': '/' })))
    t.equal(answers.filter(({ status }) => status === 200).length, 100, 'all are served')
    t.equal(app.seen.most, 3, 'never more than it takes')
    t.ok(app.seen.connections > 1, `over ${app.seen.connections} connections`)
    t.ok(app.seen.connections <= 8, 'but not more than are allowed')
  })

  for (const method of ['GET', 'POST']) {
    test(`forty large bodies at once, ${method}, ${name}`, async (t) => {
      const megabyte = Buffer.alloc(1_000_000, 'm')
      const app = await startHttp2((stream, headers) => {
        let bytes = 0
        stream.on('data', (chunk: Buffer) => {
          bytes += chunk.length
        })
        stream.on('end', () => {
          stream.respond({ ':status': 200, 'x-bytes': bytes })
          stream.end(headers[':method'] === 'GET' ? megabyte : 'ok')
        })
      })
      const pair = await startPair({ appPorts: [app.port], isMeshed })
      const clients = await Promise.all(Array.from({ length: 40 }, () => connectHttp2(pair.port)))
      t.teardown(() => {
        for (const client of clients) client.destroy()
        pair.close()
        app.close()
      })
      const answers = await Promise.all(
        clients.map((client) =>
          exchange(client, { ':method': method, ':path': '/' }, method === 'GET' ? undefined : megabyte),
        ),
      )
      t.same(new Set(answers.map(({ status, resetCode }) => `${status} ${resetCode}`)), new Set(['200 0']))
      const expected = method === 'GET' ? 1_000_000 : 2
      t.ok(
        answers.every(({ bytes }) => bytes === expected),
        'every answer is whole',
      )
      await until(() => pair.open().app === 0)
    })
  }
}
