/** WebSocket over HTTP/2 (RFC 8441) from a client to an application that both know it, and to one that does not. */
import { once } from 'node:events'
import http2 from 'node:http2'
import { test } from 'tap'
import { WebSocket } from 'ws'
import { type App, connectHttp2, startHttp2, until } from './apps.ts'
import { type Pair, startPair } from './pair.ts'

const CONNECT = {
  ':method': 'CONNECT',
  ':protocol': 'websocket',
  ':scheme': 'http',
  ':path': '/chat',
  ':authority': 'web',
}

/** A WebSocket over a stream whose handshake is done elsewhere, as RFC 8441 §5 has it. */
function overStream(stream: http2.Http2Stream, isServer: boolean): WebSocket {
  const socket = new WebSocket(null as never, undefined as never, { isServer } as never) as WebSocket & {
    _isServer: boolean
    setSocket(stream: unknown, head: Buffer, options: object): void
  }
  socket._isServer = isServer
  socket.setSocket(stream, Buffer.alloc(0), { maxPayload: 10_000_000, skipUTF8Validation: false })
  return socket
}

async function startEcho(): Promise<App & { readonly seen: http2.IncomingHttpHeaders[]; readonly closed: string[] }> {
  const seen: http2.IncomingHttpHeaders[] = []
  const closed: string[] = []
  const sessions = new Set<http2.ServerHttp2Session>()
  const server = http2.createServer({ settings: { enableConnectProtocol: true } })
  server.on('session', (session) => {
    sessions.add(session)
    session.on('error', () => {})
  })
  server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
    stream.on('error', () => {})
    if (headers[':method'] !== 'CONNECT') {
      stream.respond({ ':status': 200 })
      return void stream.end('plain')
    }
    seen.push(headers)
    if (headers[':path'] === '/no') {
      stream.respond({ ':status': 403 })
      return void stream.end()
    }
    stream.respond({ ':status': 200, 'sec-websocket-protocol': 'chat' })
    const socket = overStream(stream, true)
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
    socket.on('close', (code, reason) => void closed.push(`${code} ${reason}`))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = (): void => {
    server.close()
    for (const session of sessions) session.destroy()
  }
  return { port: (server.address() as { port: number }).port, close, seen, closed }
}

async function plainRequest(client: http2.ClientHttp2Session): Promise<void> {
  const stream = client.request({ ':path': '/' })
  stream.resume()
  await once(stream, 'close')
}

async function announced(pair: Pair, client: http2.ClientHttp2Session): Promise<void> {
  await until(() => {
    pair.tick(performance.now())
    return client.remoteSettings.enableConnectProtocol === true
  })
}

for (const isMeshed of [false, true]) {
  const name = isMeshed ? 'meshed' : 'unmeshed'

  test(`WebSocket over HTTP/2, ${name}`, async (t) => {
    const app = await startEcho()
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    const client = await connectHttp2(pair.port)
    t.teardown(() => {
      client.destroy()
      pair.close()
      app.close()
    })
    await plainRequest(client)
    await announced(pair, client)
    t.pass('announced once the application is known to take it')

    const stream = client.request({ ...CONNECT, 'sec-websocket-version': '13', origin: 'http://web' })
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
    t.match(headers, { ':status': 200, 'sec-websocket-protocol': 'chat' })
    t.match(app.seen[0], {
      ':protocol': 'websocket',
      ':path': '/chat',
      ':authority': 'web',
      'sec-websocket-version': '13',
    })
    const socket = overStream(stream, false)
    for (const text of ['hello', '', 'x'.repeat(1_000_000)]) {
      socket.send(text)
      const [data] = (await once(socket, 'message')) as [Buffer]
      t.equal(String(data) === text, true, `${text.length} characters come back`)
    }
    socket.close(1000, 'bye')
    await until(() => app.closed.length > 0)
    t.same(app.closed, ['1000 bye'], 'the closing handshake begins where it should')
    await until(() => pair.open().upstream === 0 && pair.open().app === 0)

    const refused = client.request({ ...CONNECT, ':path': '/no' })
    const [answer] = (await once(refused, 'response')) as [http2.IncomingHttpHeaders]
    t.equal(answer[':status'], 403, 'the application may refuse')
    refused.close()

    const later = await connectHttp2(pair.port)
    t.teardown(() => later.destroy())
    await until(() => later.remoteSettings.enableConnectProtocol !== undefined)
    await plainRequest(later)
    t.equal(later.remoteSettings.enableConnectProtocol, true, 'a later connection is told at once')
  })

  test(`an application that does not know extended CONNECT, ${name}`, async (t) => {
    const app = await startHttp2((stream) => {
      stream.respond({ ':status': 200 })
      stream.end()
    })
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    const client = await connectHttp2(pair.port)
    t.teardown(() => {
      client.destroy()
      pair.close()
      app.close()
    })
    for (let i = 0; i < 5; i++) {
      await plainRequest(client)
      pair.tick(performance.now())
    }
    t.not(client.remoteSettings.enableConnectProtocol, true, 'it is not announced')
  })
}
