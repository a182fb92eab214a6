/** The gRPC server on a socket: what clients of all kinds are answered, and what ends a connection. */
import { once } from 'node:events'
import http2 from 'node:http2'
import { connect } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { create } from '@bufbuild/protobuf'
import { type Test, test } from 'tap'
import { CertifyResponseSchema, Identity } from '../../api/gen/identity_pb.js'
import { createClient } from '../../api/grpc.ts'
import type { StreamingCall } from './call.ts'
import { parseTimeout } from './call.ts'
import { GrpcError } from './error.ts'
import { encodeFields, type Field } from './http2/hpack.ts'
import { ErrorCode, Flag, FrameType, frame, PREFACE, u32 } from './http2/protocol.ts'
import { listen } from './server.ts'
import { addService, type Methods } from './service.ts'
import { status } from './status.ts'

type Call = StreamingCall<Buffer, Uint8Array>

async function start(t: Test, serve: (call: Call) => void = (call) => answer(call), more?: (methods: Methods) => void) {
  const listener = await listen({ ip: '127.0.0.1', port: 0 }, '--test-addr', (methods) => {
    methods.set('/t.T/Watch', {
      decode(bytes) {
        if (bytes[0] === 0xff) throw new Error('not a message')
        return Buffer.from(bytes)
      },
      encode: (message) => message as Uint8Array,
      serve: serve as (call: StreamingCall<unknown, unknown>) => void,
    })
    more?.(methods)
  })
  t.teardown(() => listener.close(0))
  return listener
}

function answer(call: Call): void {
  call.write(call.request)
  call.end()
}

function open(t: Test, port: number, options: http2.ClientSessionOptions = {}): http2.ClientHttp2Session {
  const session = http2.connect(`http://127.0.0.1:${port}`, options)
  session.on('error', () => {})
  t.teardown(() => session.destroy())
  return session
}

const HEAD = { ':method': 'POST', ':path': '/t.T/Watch', 'content-type': 'application/grpc', te: 'trailers' }
const message = (content: Uint8Array, flag = 0) => Buffer.concat([Buffer.of(flag), u32(content.length), content])
const HELLO = message(Buffer.from('hello'))

/** Head and trailers as one, and what came between. */
async function ask(session: http2.ClientHttp2Session, head: http2.OutgoingHttpHeaders, content: Uint8Array) {
  const request = session.request({ ...HEAD, ...head }, { endStream: false })
  const fields: http2.IncomingHttpHeaders = {}
  request.on('response', (headers) => Object.assign(fields, headers))
  request.on('trailers', (headers) => Object.assign(fields, headers))
  request.end(content)
  return { content: await buffer(request), fields }
}

test('what a call is answered', async (t) => {
  const { address } = await start(t, (call) => {
    switch (call.request.toString()) {
      case 'fail':
        return call.fail(new GrpcError(status.NOT_FOUND, 'no “web” at 100 %'))
      case 'bug':
        return call.fail(new TypeError('secret'))
      case 'late':
        call.write(Buffer.from('first'))
        return call.fail(new GrpcError(status.ABORTED, 'then not'))
      case 'never':
        return
      default:
        return answer(call)
    }
  })
  const session = open(t, address.port)
  const say = (text: string) => message(Buffer.from(text))
  const long = Buffer.alloc(100_000, 'x')
  const cases: readonly {
    name: string
    head?: http2.OutgoingHttpHeaders
    content?: Uint8Array
    http?: number
    grpc?: string
    says?: string | RegExp
    gets?: Uint8Array
  }[] = [
    { name: 'a message and OK', content: HELLO, grpc: '0', gets: HELLO },
    { name: 'an empty message', content: message(Buffer.of()), grpc: '0', gets: message(Buffer.of()) },
    { name: 'a message of many frames', content: message(long), grpc: '0', gets: message(long) },
    { name: 'a content type with its format', head: { 'content-type': 'application/grpc+proto' }, grpc: '0' },
    {
      name: 'an error before any message',
      content: say('fail'),
      grpc: '5',
      says: 'no %E2%80%9Cweb%E2%80%9D at 100 %25',
    },
    { name: 'an error behind a message', content: say('late'), grpc: '10', says: 'then not', gets: say('first') },
    { name: 'a bug is not told', content: say('bug'), grpc: '13', says: /^internal error/ },
    {
      name: 'no such method',
      head: { ':path': '/t.T/Nothing?~{é}' },
      grpc: '12',
      says: /no method \/t\.T\/Nothing\?~/,
    },
    { name: 'GET', head: { ':method': 'GET' }, http: 405 },
    { name: 'no gRPC', head: { 'content-type': 'application/json' }, http: 415 },
    { name: 'nearly gRPC', head: { 'content-type': 'application/grpc-web' }, http: 415 },
    { name: 'no message', content: Buffer.of(), grpc: '12', says: /none came/ },
    { name: 'two messages', content: Buffer.concat([HELLO, HELLO]), grpc: '12', says: /more came/ },
    { name: 'a message cut off', content: HELLO.subarray(0, 7), grpc: '13', says: /ends inside/ },
    { name: 'not of this method', content: message(Buffer.of(0xff)), grpc: '13', says: /not a message/ },
    {
      name: 'compressed',
      head: { 'grpc-encoding': 'gzip' },
      content: message(Buffer.of(1), 1),
      grpc: '12',
      says: /"gzip" is not served; send identity/,
    },
    { name: 'an encoding that is not used', head: { 'grpc-encoding': 'gzip' }, grpc: '0', gets: HELLO },
    { name: 'compressed somehow', content: message(Buffer.of(1), 1), grpc: '13', says: /does not say how/ },
    { name: 'a flag that is none', content: message(Buffer.of(1), 2), grpc: '13', says: /compressed flag/ },
    { name: 'too long', content: message(Buffer.alloc(300_000)), grpc: '8', says: /300000 bytes; at most 262144/ },
    { name: 'a claim that is too long', content: Buffer.from('00ffffffff', 'hex'), grpc: '8' },
    { name: 'past its deadline', head: { 'grpc-timeout': '1n' }, content: say('never'), grpc: '4' },
    { name: 'a deadline that is none', head: { 'grpc-timeout': '1 s' }, grpc: '13', says: /not a grpc-timeout/ },
  ]
  for (const { name, head = {}, content = HELLO, http = 200, grpc, says, gets } of cases) {
    const { content: got, fields } = await ask(session, head, content)
    t.equal(fields[':status'], http, name)
    t.equal(fields['grpc-status'], grpc, name)
    if (says !== undefined) t.match(fields['grpc-message'], says, name)
    if (gets !== undefined) t.ok(got.equals(gets), name)
    if (http === 200) t.equal(fields['grpc-accept-encoding'], 'identity', name)
  }
})

test('grpc-timeout', async (t) => {
  const cases = [
    { text: '1H', ms: 3_600_000 },
    { text: '2M', ms: 120_000 },
    { text: '10S', ms: 10_000 },
    { text: '500m', ms: 500 },
    { text: '1500u', ms: 2 },
    { text: '99999999H', ms: 2 ** 31 - 1 },
    { text: '123456789m', ms: undefined },
    { text: '10', ms: undefined },
    { text: '-1S', ms: undefined },
  ]
  for (const { text, ms } of cases) t.equal(parseTimeout(text), ms, text)
})

test("the library's client understands a unary answer and an error", async (t) => {
  const { address } = await start(t, answer, (methods) =>
    addService(methods, Identity, {
      certify({ identity }) {
        if (identity === 'bad') return Promise.reject(new GrpcError(status.PERMISSION_DENIED, 'not „you“'))
        return Promise.resolve(create(CertifyResponseSchema, { leafCertificate: Buffer.from(identity) }))
      },
    }),
  )
  const client = createClient(Identity, `127.0.0.1:${address.port}`)
  t.teardown(() => client.close())
  t.equal(Buffer.from((await client.certify({ identity: 'web' })).leafCertificate).toString(), 'web')
  await t.rejects(client.certify({ identity: 'bad' }), { code: status.PERMISSION_DENIED, details: 'not „you“' })
})

test('a message counts as sent when the window of the client has taken it', async (t) => {
  let sent = 0
  const served = Promise.withResolvers<Call>()
  const { address } = await start(t, (call) => {
    call.write(Buffer.alloc(1_000), () => sent++)
    served.resolve(call)
  })
  const session = open(t, address.port, { settings: { initialWindowSize: 100 } })
  const request = session.request(HEAD)
  request.end(HELLO)
  const call = await served.promise
  await once(request, 'response')
  t.equal(sent, 0, 'nobody reads')
  const content = buffer(request)
  call.end()
  t.equal((await content).length, 1_005)
  t.equal(sent, 1)
})

test('a client that leaves is told to the handler, once', async (t) => {
  let cancelled = 0
  const calls: Call[] = []
  const { address } = await start(t, (call) => {
    calls.push(call)
    call.onCancelled = () => {
      cancelled++
      left.shift()!.resolve()
    }
    call.write(Buffer.from('state'))
  })
  const left = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const [reset, gone] = left.map(({ promise }) => promise)
  const session = open(t, address.port)
  const requests = [session.request(HEAD), session.request(HEAD)]
  for (const request of requests) {
    request.on('error', () => {})
    request.end(HELLO)
    await once(request, 'data')
  }
  requests[0]!.close(http2.constants.NGHTTP2_CANCEL)
  await reset
  t.equal(cancelled, 1)
  session.destroy()
  await gone
  t.equal(cancelled, 2)
  for (const call of calls) {
    call.write(Buffer.from('nobody'))
    call.end()
  }
})

test('closing lets calls finish and breaks off the rest', async (t) => {
  const calls: Call[] = []
  const begin = async () => {
    const listener = await start(t, (call) => {
      calls.push(call)
      call.write(Buffer.from('state'))
    })
    const session = open(t, listener.address.port)
    const request = session.request(HEAD)
    request.on('error', () => {})
    request.end(HELLO)
    await once(request, 'data')
    return { listener, session, request }
  }
  const orderly = await begin()
  const goaway = once(orderly.session, 'goaway')
  const closed = orderly.listener.close(60_000)
  t.equal((await goaway)[0], http2.constants.NGHTTP2_NO_ERROR)
  const trailers = once(orderly.request, 'trailers')
  calls[0]!.end()
  t.match(await trailers, [{ 'grpc-status': '0' }])
  await closed
  const endless = await begin()
  await endless.listener.close(1)
  t.pass('nobody waits for a stream that does not end')
})

/** A connection by frames: what comes back as `RST_STREAM 1` or `GOAWAY 9`. */
async function converse(port: number, frames: readonly Buffer[]): Promise<string[]> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  const ping = frame(FrameType.PING, 0, 0, Buffer.from('the last'))
  socket.write(Buffer.concat([PREFACE, frame(FrameType.SETTINGS, 0, 0, Buffer.of()), ...frames, ping]))
  const said: string[] = []
  let rest = Buffer.alloc(0)
  for await (const bytes of socket as AsyncIterable<Buffer>) {
    rest = Buffer.concat([rest, bytes])
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      const end = 9 + rest.readUIntBE(0, 3)
      const isLast = rest[3] === FrameType.PING && rest.subarray(9, end).toString() === 'the last'
      if (rest[3] === FrameType.RST_STREAM) said.push(`RST_STREAM ${rest.readUInt32BE(9)}`)
      if (rest[3] === FrameType.GOAWAY) said.push(`GOAWAY ${rest.readUInt32BE(13)}`)
      rest = rest.subarray(end)
      if (isLast) socket.end()
    }
  }
  return said
}

test('frames that are wrong', async (t) => {
  const { address } = await start(t)
  const { DATA, HEADERS, CONTINUATION, PING, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE } = FrameType
  const request: readonly Field[] = [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', '/t.T/Watch'],
    ['content-type', 'application/grpc'],
  ]
  const head = (fields: readonly Field[], streamId = 1, flags: number = Flag.END_HEADERS) =>
    frame(HEADERS, flags, streamId, encodeFields(fields))
  const { PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR, COMPRESSION_ERROR } = ErrorCode
  const nothing = Buffer.of()
  const part = frame(CONTINUATION, 0, 1, encodeFields([['x', 'y'.repeat(16_000)]]))
  const pings = Buffer.concat(Array.from({ length: 20_001 }, () => frame(PING, Flag.ACK, 0, Buffer.alloc(8))))
  const resets = Array.from({ length: 20_001 }, (_, n) => [
    head(request, 2 * n + 1),
    frame(RST_STREAM, 0, 2 * n + 1, u32(8)),
  ])
  const over = (code: number) => [`GOAWAY ${code}`]
  const reset = (code: number) => [`RST_STREAM ${code}`]
  const cases: readonly { name: string; frames: readonly Buffer[]; says: string[] }[] = [
    { name: 'nothing wrong', frames: [frame(0xee, 0, 0, nothing), frame(PRIORITY, 0, 3, Buffer.alloc(5))], says: [] },
    {
      name: 'a field block in many pieces',
      frames: [
        frame(HEADERS, Flag.END_STREAM, 1, encodeFields(request).subarray(0, 7)),
        frame(CONTINUATION, 0, 1, encodeFields(request).subarray(7, 8)),
        frame(CONTINUATION, 0, 1, encodeFields(request).subarray(8)),
        frame(CONTINUATION, Flag.END_HEADERS, 1, encodeFields([['x', 'y'.repeat(10_000)]])),
      ],
      says: [],
    },
    { name: 'DATA on an idle stream', frames: [frame(DATA, 0, 1, nothing)], says: over(PROTOCOL_ERROR) },
    { name: 'DATA on the connection', frames: [frame(DATA, 0, 0, nothing)], says: over(PROTOCOL_ERROR) },
    { name: 'a frame too long', frames: [frame(DATA, 0, 1, Buffer.alloc(16_385))], says: over(FRAME_SIZE_ERROR) },
    { name: 'a stream of the server', frames: [head(request, 2)], says: over(PROTOCOL_ERROR) },
    { name: 'a push', frames: [frame(PUSH_PROMISE, 0, 1, u32(2))], says: over(PROTOCOL_ERROR) },
    { name: 'CONTINUATION of nothing', frames: [frame(CONTINUATION, 4, 1, nothing)], says: over(PROTOCOL_ERROR) },
    {
      name: 'a frame inside a field block',
      frames: [head(request, 1, 0), frame(PING, 0, 0, Buffer.alloc(8))],
      says: over(PROTOCOL_ERROR),
    },
    {
      name: 'fields without end',
      frames: [head(request, 1, 0), part, part, part],
      says: over(ErrorCode.ENHANCE_YOUR_CALM),
    },
    { name: 'no field block', frames: [frame(HEADERS, 4, 1, Buffer.of(0x80))], says: over(COMPRESSION_ERROR) },
    {
      name: 'padding longer than its frame',
      frames: [frame(HEADERS, 0xc, 1, Buffer.of(9, 0))],
      says: over(PROTOCOL_ERROR),
    },
    { name: 'SETTINGS of 5 bytes', frames: [frame(SETTINGS, 0, 0, Buffer.alloc(5))], says: over(FRAME_SIZE_ERROR) },
    { name: 'PING of 7 bytes', frames: [frame(PING, 0, 0, Buffer.alloc(7))], says: over(FRAME_SIZE_ERROR) },
    { name: 'RST_STREAM of an idle stream', frames: [frame(RST_STREAM, 0, 5, u32(8))], says: over(PROTOCOL_ERROR) },
    { name: 'a window update by 0', frames: [frame(WINDOW_UPDATE, 0, 0, u32(0))], says: over(PROTOCOL_ERROR) },
    {
      name: 'a window that is too large',
      frames: [frame(WINDOW_UPDATE, 0, 0, u32(2 ** 31 - 1))],
      says: over(FLOW_CONTROL_ERROR),
    },
    {
      name: 'a window of a stream that is too large',
      frames: [head(request), frame(WINDOW_UPDATE, 0, 1, u32(2 ** 31 - 1))],
      says: reset(FLOW_CONTROL_ERROR),
    },
    { name: 'pings without end', frames: [pings], says: over(ErrorCode.ENHANCE_YOUR_CALM) },
    { name: 'resets without end', frames: resets.flat(), says: over(ErrorCode.ENHANCE_YOUR_CALM) },
    { name: 'no path', frames: [head(request.slice(0, 2))], says: reset(PROTOCOL_ERROR) },
    { name: 'a name in capitals', frames: [head([...request, ['Te', 'trailers']])], says: reset(PROTOCOL_ERROR) },
    {
      name: 'a field of the connection',
      frames: [head([...request, ['connection', 'close']])],
      says: reset(PROTOCOL_ERROR),
    },
    { name: 'a pseudo-field twice', frames: [head([request[0]!, ...request])], says: reset(PROTOCOL_ERROR) },
    {
      name: 'content behind the end',
      frames: [head(request, 1, Flag.END_HEADERS | Flag.END_STREAM), frame(DATA, 0, 1, nothing)],
      says: reset(STREAM_CLOSED),
    },
    {
      name: 'more content than the connection takes',
      frames: Array.from({ length: 100 }, (_, n) => [
        head(request, 2 * n + 1),
        frame(DATA, 0, 2 * n + 1, Buffer.concat([Buffer.from('0000040000', 'hex'), Buffer.alloc(16_000)])),
      ]).flat(),
      says: over(FLOW_CONTROL_ERROR),
    },
  ]
  for (const { name, frames, says } of cases) t.same(await converse(address.port, frames), says, name)
})

test('what is no HTTP/2 is hung up on', async (t) => {
  const { address } = await start(t)
  const socket = connect(address.port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write('GET / HTTP/1.1\r\n\r\n')
  socket.resume()
  await once(socket, 'close')
  t.pass()
})
