import { once } from 'node:events'
import * as grpc from '@grpc/grpc-js'
import { test } from 'tap'
import { compileAnchoredPattern, type RoutePattern } from '../../api/regex.ts'
import type { Profile } from '../../proxy/policy/profile.ts'
import { NO_PROFILE } from '../../proxy/policy/profile.ts'
import { startPair } from './pair.ts'

const raw = {
  requestSerialize: (b: Buffer) => b,
  requestDeserialize: (b: Buffer) => b,
  responseSerialize: (b: Buffer) => b,
  responseDeserialize: (b: Buffer) => b,
}
const SERVICE = {
  unary: { path: '/echo.Echo/Unary', requestStream: false, responseStream: false, ...raw },
  download: { path: '/echo.Echo/Download', requestStream: false, responseStream: true, ...raw },
  upload: { path: '/echo.Echo/Upload', requestStream: true, responseStream: false, ...raw },
  chat: { path: '/echo.Echo/Chat', requestStream: true, responseStream: true, ...raw },
} as const

interface Behaviour {
  unary?: (call: grpc.ServerUnaryCall<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) => void
}

async function serve(behaviour: Behaviour = {}) {
  const server = new grpc.Server()
  server.addService(SERVICE as never, {
    unary:
      behaviour.unary ??
      ((call: grpc.ServerUnaryCall<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) =>
        callback(null, call.request)),
    download: async (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
      for (let i = 0; i < 100; i++) if (!call.write(Buffer.alloc(10_000, i))) await once(call, 'drain')
      call.end()
    },
    upload: (call: grpc.ServerReadableStream<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) => {
      let bytes = 0
      call.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      call.on('end', () => callback(null, Buffer.from(String(bytes))))
    },
    chat: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
      call.on('data', (chunk: Buffer) => call.write(chunk))
      call.on('end', () => call.end())
    },
  })
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  )
  return { server, port }
}

function unary(client: grpc.Client, content: string, options: grpc.CallOptions = {}): Promise<Buffer> {
  return new Promise((resolve, reject) =>
    client.makeUnaryRequest(
      SERVICE.unary.path,
      raw.requestSerialize,
      raw.responseDeserialize,
      Buffer.from(content),
      new grpc.Metadata(),
      options,
      (error, value) => (error ? reject(error) : resolve(value!)),
    ),
  )
}

test('gRPC of every kind through a meshed pair', async (t) => {
  const { server, port } = await serve()
  const pair = await startPair({ appPorts: [port] })
  const client = new grpc.Client(`127.0.0.1:${pair.port}`, grpc.credentials.createInsecure())
  t.teardown(() => {
    client.close()
    pair.close()
    server.forceShutdown()
  })

  t.equal(String(await unary(client, 'hello')), 'hello', 'unary')
  const many = await Promise.all(Array.from({ length: 500 }, (_, i) => unary(client, `n${i}`)))
  t.same(
    many.map(String),
    Array.from({ length: 500 }, (_, i) => `n${i}`),
    'five hundred at once',
  )

  let bytes = 0
  const download = client.makeServerStreamRequest(
    SERVICE.download.path,
    raw.requestSerialize,
    raw.responseDeserialize,
    Buffer.alloc(0),
  )
  for await (const chunk of download) bytes += chunk.length
  t.equal(bytes, 1_000_000, 'server stream')

  const uploaded = await new Promise((resolve, reject) => {
    const upload = client.makeClientStreamRequest(
      SERVICE.upload.path,
      raw.requestSerialize,
      raw.responseDeserialize,
      new grpc.Metadata(),
      {},
      (error, value) => (error ? reject(error) : resolve(String(value))),
    )
    for (let i = 0; i < 100; i++) upload.write(Buffer.alloc(10_000))
    upload.end()
  })
  t.equal(uploaded, '1000000', 'client stream')

  const chat = client.makeBidiStreamRequest(
    SERVICE.chat.path,
    raw.requestSerialize,
    raw.responseDeserialize,
    new grpc.Metadata(),
    {},
  )
  const heard: string[] = []
  for (let i = 0; i < 5; i++) {
    chat.write(Buffer.from(`say ${i}`))
    const [answer] = await once(chat, 'data')
    heard.push(String(answer))
  }
  chat.end()
  chat.resume()
  await once(chat, 'end')
  t.same(heard, ['say 0', 'say 1', 'say 2', 'say 3', 'say 4'], 'both directions alternate')
})

test('what goes wrong arrives as gRPC', async (t) => {
  const { server, port } = await serve({
    unary: (call, callback) => {
      if (String(call.request) === 'slow') return
      callback({ code: grpc.status.NOT_FOUND, details: 'no such thing' })
    },
  })
  const pair = await startPair({ appPorts: [port] })
  const client = new grpc.Client(`127.0.0.1:${pair.port}`, grpc.credentials.createInsecure())
  t.teardown(() => {
    client.close()
    pair.close()
    server.forceShutdown()
  })
  await t.rejects(unary(client, 'x'), { code: grpc.status.NOT_FOUND, details: 'no such thing' }, 'the application says')
  await t.rejects(
    unary(client, 'slow', { deadline: Date.now() + 200 }),
    { code: grpc.status.DEADLINE_EXCEEDED },
    'the deadline of the client',
  )
  const nobody = await startPair({ appPorts: [], failFastTimeoutMs: 100 })
  const lonely = new grpc.Client(`127.0.0.1:${nobody.port}`, grpc.credentials.createInsecure())
  t.teardown(() => {
    lonely.close()
    nobody.close()
  })
  nobody.setProfile({
    ...NO_PROFILE,
    name: 'web.shop',
    routes: [
      {
        name: 'all',
        labels: new Map(),
        condition: { kind: 'all', of: [] },
        responseClasses: [],
        isRetryable: false,
        timeoutMs: undefined,
      },
    ],
  } as Profile)
  await t.rejects(
    unary(lonely, 'x'),
    { code: grpc.status.DEADLINE_EXCEEDED, details: /fail-fast/ },
    'no endpoint in time',
  )
  await t.rejects(unary(lonely, 'x'), { code: grpc.status.UNAVAILABLE }, 'then at once')
})

test('failed calls are repeated where the profile allows it, within the budget', async (t) => {
  let calls = 0
  const { server, port } = await serve({
    unary: (call, callback) => {
      if (++calls % 2 === 1) callback({ code: grpc.status.UNAVAILABLE, details: 'try again' })
      else callback(null, call.request)
    },
  })
  const route = (name: string, isRetryable: boolean, path: string) => ({
    name,
    labels: new Map([['route', name]]),
    condition: { kind: 'path' as const, pattern: compileAnchoredPattern(path) as RoutePattern },
    responseClasses: [],
    isRetryable,
    timeoutMs: undefined,
  })
  const profile = (isRetryable: boolean, ratio: number, perSecond: number): Profile => ({
    ...NO_PROFILE,
    name: 'web.shop.svc.cluster.local',
    routes: [route('Unary', isRetryable, '/echo\\.Echo/Unary')],
    budget: { retryRatio: ratio, minRetriesPerSecond: perSecond, ttlMs: 10_000 },
  })
  const pair = await startPair({ appPorts: [port], profile: profile(true, 1, 100) })
  const client = new grpc.Client(`127.0.0.1:${pair.port}`, grpc.credentials.createInsecure())
  t.teardown(() => {
    client.close()
    pair.close()
    server.forceShutdown()
  })
  for (let i = 0; i < 20; i++) t.equal(String(await unary(client, `r${i}`)), `r${i}`)
  t.equal(pair.counts.retries, 20, 'one retry each')

  pair.setProfile(profile(false, 1, 100))
  await t.rejects(unary(client, 'x'), { code: grpc.status.UNAVAILABLE }, 'a route that is not retryable')
  t.equal(pair.counts.retries, 20)
  await unary(client, 'x')

  pair.setProfile(profile(true, 0, 0))
  await t.rejects(unary(client, 'x'), { code: grpc.status.UNAVAILABLE }, 'an empty budget')
  t.equal(pair.counts.noBudget, 1)
})
