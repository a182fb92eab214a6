import { once } from 'node:events'
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, createConnection, createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { type Test, test } from 'tap'
import { TestAuthority } from '../io/test-authority.ts'
import { REAL_TIMERS } from '../io/timers.ts'
import { MeshTlsServer, makeSecureContext } from '../io/tls.ts'
import { GrpcChannel, type GrpcChannelOptions, type Status } from './grpc-client.ts'
import { GrpcStatus } from './grpc-status.ts'
import { type Methods, Relay, TestServer, until } from './test-server.ts'

const PATH = '/weft.test.Echo/Do'

function open(t: Test, port: number, options: Partial<GrpcChannelOptions> = {}): GrpcChannel {
  const channel = new GrpcChannel({
    target: `127.0.0.1:${port}`,
    timers: REAL_TIMERS,
    random: () => 0,
    backoff: { minMs: 20, maxMs: 50, jitter: 0 },
    ...options,
  })
  t.teardown(() => channel.close())
  return channel
}

async function serve(t: Test, methods: Methods, port = 0): Promise<TestServer> {
  const server = await TestServer.start(methods, port)
  t.teardown(() => server.kill())
  return server
}

function listenTo(channel: GrpcChannel, request = Buffer.alloc(0)) {
  const heard = { messages: [] as Uint8Array[], ends: [] as Status[], cancel: () => {} }
  const call = channel.serverStream(PATH, request, {
    onMessage: (message) => heard.messages.push(message),
    onEnd: (status) => heard.ends.push(status),
  })
  heard.cancel = () => call.cancel()
  return heard
}

test('unary', async (t) => {
  const server = await serve(t, {
    unary: {
      [PATH]: (call, answer) => {
        const text = call.request.toString()
        if (text === 'refuse') answer({ code: GrpcStatus.failedPrecondition, details: 'the token is für others' })
        else if (text !== 'hang') answer(null, Buffer.concat([call.request, Buffer.from(` from ${call.getHost()}`)]))
      },
    },
  })
  const channel = open(t, server.port)
  const ask = (text: string, timeoutMs = 5_000) => channel.unary(PATH, Buffer.from(text), { timeoutMs })
  t.equal(Buffer.from(await ask('hello')).toString(), `hello from 127.0.0.1:${server.port}`)
  await t.rejects(ask('refuse'), {
    code: GrpcStatus.failedPrecondition,
    message: 'FAILED_PRECONDITION: the token is für others',
  })
  await t.rejects(ask('hang', 50), { code: GrpcStatus.deadlineExceeded, message: /did not answer within 50 ms/ })
  await t.rejects(channel.unary('/weft.test.Echo/Nothing', Buffer.alloc(0), { timeoutMs: 5_000 }), {
    code: GrpcStatus.unimplemented,
  })
  t.match(
    Buffer.from(await ask('x'.repeat(300_000))).length,
    300_000 + ` from 127.0.0.1:${server.port}`.length,
    'larger than a flow-control window, both ways',
  )
})

test('the request as a server sees it', async (t) => {
  const seen: Record<string, unknown>[] = []
  const server = createHttp2Server()
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    seen.push({ ...headers })
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '0' }, { endStream: true })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const channel = open(t, (server.address() as AddressInfo).port)
  const heard = listenTo(channel)
  await until(() => heard.ends.length === 1)
  t.same(heard.ends, [{ code: GrpcStatus.ok, message: '' }], 'trailers only')
  t.match(seen, [
    {
      ':method': 'POST',
      ':scheme': 'http',
      ':path': PATH,
      ':authority': `127.0.0.1:${(server.address() as AddressInfo).port}`,
      te: 'trailers',
      'content-type': 'application/grpc',
    },
  ])
  channel.close()
})

test('answers that are not gRPC', async (t) => {
  const cases: {
    name: string
    answer: (stream: ServerHttp2Stream) => void
    status: { code: number; message: RegExp }
  }[] = [
    {
      name: '503 of a proxy',
      answer: (stream) => stream.respond({ ':status': 503 }, { endStream: true }),
      status: { code: GrpcStatus.unavailable, message: /HTTP status 503/ },
    },
    {
      name: 'a web page',
      answer: (stream) => {
        stream.respond({ ':status': 200, 'content-type': 'text/html' })
        stream.end('<p>')
      },
      status: { code: GrpcStatus.unknown, message: /HTTP status 200 and text\/html; is this a control plane/ },
    },
    {
      name: 'no status at the end',
      answer: (stream) => {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
        stream.end()
      },
      status: { code: GrpcStatus.internal, message: /without a status/ },
    },
    {
      name: 'a stream that ends inside a message',
      answer: (stream) => {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
        stream.end(Buffer.from([0, 0, 0, 0, 9, 1]))
      },
      status: { code: GrpcStatus.internal, message: /inside a message/ },
    },
    {
      name: 'a message above the bound',
      answer: (stream) => {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
        stream.write(Buffer.from([0, 0xff, 0, 0, 0]))
      },
      status: { code: GrpcStatus.resourceExhausted, message: /the limit is 4194304/ },
    },
    { name: 'a reset', answer: (stream) => stream.close(8), status: { code: GrpcStatus.cancelled, message: /CANCEL/ } },
    {
      name: 'a refused stream',
      answer: (stream) => stream.close(7),
      status: { code: GrpcStatus.unavailable, message: /REFUSED_STREAM/ },
    },
  ]
  for (const { name, answer, status } of cases) {
    const server = createHttp2Server()
    server.on('stream', (stream: ServerHttp2Stream) => {
      stream.on('error', () => {})
      answer(stream)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const channel = open(t, (server.address() as AddressInfo).port)
    const heard = listenTo(channel)
    await until(() => heard.ends.length > 0, name)
    t.match(heard.ends, [status], name)
    channel.close()
    server.close()
  }
})

test('a server stream, whole and in pieces', async (t) => {
  const large = Buffer.alloc(1_500_000, 7)
  const server = await serve(t, {
    stream: {
      [PATH]: (call) => {
        for (const message of [Buffer.from('one'), Buffer.alloc(0), large, Buffer.from('two')]) call.write(message)
        call.end()
      },
    },
  })
  const relay = await Relay.start(server.port, 1_000)
  t.teardown(() => relay.close())
  for (const port of [server.port, relay.port]) {
    const heard = listenTo(open(t, port))
    await until(() => heard.ends.length === 1)
    t.same(
      heard.ends,
      [{ code: GrpcStatus.ok, message: 'OK' }].map(({ code }) => ({ code, message: heard.ends[0]!.message })),
    )
    t.same(
      heard.messages.map(({ length }) => length),
      [3, 0, large.length, 3],
    )
    t.ok(Buffer.from(heard.messages[2]!).equals(large))
  }
  relay.pieceBytes = 7
  const small = await serve(t, {
    stream: {
      [PATH]: (call) => {
        for (let at = 0; at < 50; at++) call.write(Buffer.from(`message ${at}`))
        call.end()
      },
    },
  })
  const slow = await Relay.start(small.port, 1)
  t.teardown(() => slow.close())
  const heard = listenTo(open(t, slow.port))
  await until(() => heard.ends.length === 1)
  t.same(
    heard.messages.map((message) => Buffer.from(message).toString()),
    Array.from({ length: 50 }, (_, at) => `message ${at}`),
  )
})

test('calls wait for a slow start, and go on after a restart', async (t) => {
  const idle = createServer()
  idle.listen(0, '127.0.0.1')
  await once(idle, 'listening')
  const { port } = idle.address() as AddressInfo
  idle.close()

  const logs: string[] = []
  const counts = { requests: 0, responses: [] as number[] }
  const channel = open(t, port, {
    log: (_level, message) => logs.push(message),
    metrics: { onRequest: () => counts.requests++, onResponse: (code) => counts.responses.push(code) },
  })
  const first = listenTo(channel)
  const second = listenTo(channel)
  await until(() => logs.length === 1)
  t.match(logs[0], /unreachable, the last known state stays in force: .*ECONNREFUSED/)
  t.equal(counts.requests, 0)

  const methods: Methods = { stream: { [PATH]: (call) => call.write(Buffer.from('hello')) } }
  const server = await serve(t, methods, port)
  await until(() => first.messages.length === 1 && second.messages.length === 1)
  t.match(logs[1], /reachable again/)
  server.kill()
  await until(() => first.ends.length === 1 && second.ends.length === 1)
  // A server that is shut down hard resets some of its streams before it closes the connection.
  t.ok([GrpcStatus.unavailable, GrpcStatus.cancelled].some((code) => code === first.ends[0]!.code))
  const third = listenTo(channel)
  await serve(t, methods, port)
  await until(() => third.messages.length === 1)
  t.equal(counts.requests, 3)
  t.equal(counts.responses.length, 2)
})

test('all calls share one connection; cancelling tells the server', async (t) => {
  const peers = new Set<string>()
  let cancelled = 0
  const server = await serve(t, {
    stream: {
      [PATH]: (call) => {
        peers.add(call.getPeer())
        call.on('cancelled', () => cancelled++)
        call.write(Buffer.from('x'))
      },
    },
  })
  const channel = open(t, server.port)
  const calls = Array.from({ length: 100 }, () => listenTo(channel))
  await until(() => calls.every(({ messages }) => messages.length === 1))
  t.equal(peers.size, 1)
  for (const call of calls) call.cancel()
  await until(() => cancelled === 100)
  t.ok(
    calls.every(({ ends }) => ends.length === 0),
    'nothing follows a cancel',
  )
})

test('a draining server: streams finish there, new ones go to the next', async (t) => {
  const ending: (() => void)[] = []
  const methods: Methods = {
    stream: {
      [PATH]: (call) => {
        call.write(Buffer.from('x'))
        ending.push(() => call.end())
      },
    },
  }
  const server = await serve(t, methods)
  const channel = open(t, server.port)
  const old = listenTo(channel)
  await until(() => old.messages.length === 1)
  server.drain()
  await new Promise((resolve) => setTimeout(resolve, 30))
  await serve(t, methods, server.port)
  const fresh = listenTo(channel)
  await until(() => fresh.messages.length === 1)
  ending[0]!()
  await until(() => old.ends.length === 1)
  t.equal(old.ends[0]!.code, GrpcStatus.ok)
})

test('a dead connection is noticed by its keep-alive', async (t) => {
  const server = await serve(t, {
    stream: {
      [PATH]: (call) => {
        call.write(Buffer.from('x'))
      },
    },
  })
  const relay = await Relay.start(server.port, 65_536)
  t.teardown(() => relay.close())
  const channel = open(t, relay.port, { keepAliveIntervalMs: 10_000, keepAliveTimeoutMs: 3_000 })
  const heard = listenTo(channel)
  await until(() => heard.messages.length === 1)
  relay.isStalled = true
  channel.tick(0)
  channel.tick(9_000)
  channel.tick(10_001)
  channel.tick(12_000)
  t.same(heard.ends, [])
  channel.tick(13_002)
  await until(() => heard.ends.length === 1)
  t.equal(heard.ends[0]!.code, GrpcStatus.unavailable)
})

test('mesh TLS to a control plane that is not on this host', async (t) => {
  const root = await TestAuthority.root()
  const identity = 'linkerd-destination.linkerd.serviceaccount.identity.linkerd.cluster.local'
  const issued = await root.issue(identity)
  const server = await serve(t, { unary: { [PATH]: (call, answer) => answer(null, call.request) } })
  const tls = new MeshTlsServer({ localName: identity, withAlpn: false, timers: REAL_TIMERS })
  tls.setContext(makeSecureContext({ key: issued.keyPem, chainPem: issued.chainPem, trustAnchorsPem: root.pem }))
  const front = createServer((socket) => {
    tls.accept(
      socket,
      undefined,
      (secure) => {
        const upstream = createConnection(server.port)
        secure.pipe(upstream).pipe(secure)
        for (const one of [secure, upstream]) one.on('error', () => {})
      },
      () => {},
    )
  })
  front.listen(0, '0.0.0.0')
  await once(front, 'listening')
  t.teardown(() => front.close())
  const address = ownAddress()
  if (address === undefined) return t.comment('skipped: this machine has no address but loopback')
  const { port } = front.address() as AddressInfo
  const ask = (expected: string) => {
    const channel = open(t, port, {
      target: `${address}:${port}`,
      tls: {
        serverName: identity,
        identity: { kind: 'dns', name: expected },
        context: () => makeSecureContext({ trustAnchorsPem: root.pem }),
      },
    })
    return channel.unary(PATH, Buffer.from('secret'), { timeoutMs: 500 }).finally(() => channel.close())
  }
  t.equal(Buffer.from(await ask(identity)).toString(), 'secret')
  await t.rejects(ask('somebody.else'), { code: GrpcStatus.deadlineExceeded })
})

test('wrong targets', async (t) => {
  const base = { timers: REAL_TIMERS, random: () => 0 }
  t.throws(
    () => new GrpcChannel({ ...base, target: 'nonsense' }),
    /"nonsense" is not the address of a control-plane service/,
  )
  t.throws(() => new GrpcChannel({ ...base, target: 'linkerd-policy.linkerd.svc.cluster.local.:8090' }), /_SVC_NAME/)
  const channel = open(t, 1)
  const waiting = channel.unary(PATH, Buffer.alloc(0), { timeoutMs: 5_000 })
  channel.close()
  await t.rejects(waiting, { code: GrpcStatus.cancelled })
  await t.rejects(channel.unary(PATH, Buffer.alloc(0), { timeoutMs: 5_000 }), { code: GrpcStatus.cancelled })
})

function ownAddress(): string | undefined {
  return Object.values(networkInterfaces())
    .flat()
    .find((one) => one !== undefined && !one.internal && one.family === 'IPv4')?.address
}
