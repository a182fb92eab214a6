/** Local rate limits at the inbound proxy: what clients of every protocol get, and what goes on while policies change. */
import * as grpc from '@grpc/grpc-js'
import { test } from 'tap'
import { defaultInboundTable, defaultServer, type InboundServer } from '../../proxy/policy/inbound-policy.ts'
import { defaultMeta } from '../../proxy/policy/meta.ts'
import type { RateLimit } from '../../proxy/policy/rate-limit.ts'
import { connectHttp2, startHttp1, startHttp2 } from './apps.ts'
import { IDENTITY, startPair } from './pair.ts'

const OPEN = defaultServer('all-unauthenticated', false, [], 10_000)
const limited = (parts: Partial<RateLimit>): InboundServer => ({
  ...OPEN,
  rateLimit: { meta: defaultMeta('limit'), total: 0, identity: 0, overrides: [], ...parts },
})

/** No bucket fills up while a test takes its time. */
const frozen = () => 1_000

async function get(port: number, path = '/'): Promise<Response> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`)
  await response.arrayBuffer()
  return response
}

async function statuses(port: number, count: number): Promise<string> {
  let all = ''
  for (let at = 0; at < count; at++) all += `${(await get(port)).status} `
  return all.trim()
}

test('HTTP/1 through the mesh and without it', async (t) => {
  const app = await startHttp1((_request, response) => response.end('served'))
  const pair = await startPair({ appPorts: [app.port], inboundNowMs: frozen })
  t.teardown(() => {
    pair.close()
    app.close()
  })
  const door = await pair.openInbound(app.port)
  await get(door)

  pair.setServer(limited({ identity: 2 }))
  t.equal(await statuses(pair.port, 4), '200 200 429 429')
  t.equal((await get(pair.port)).headers.get('retry-after'), '1')
  t.equal(await statuses(door, 3), '200 200 429', 'a client without identity has a bucket of its own')
  const { headers } = await get(door)
  t.equal(headers.get('retry-after'), '1')
  t.equal(headers.get('l5d-proxy-error'), null, 'only the mesh is told more')
  t.equal(headers.get('connection'), null, 'its connection stays')

  // Updates that leave the limit alone, in whatever else they differ.
  pair.setServer({ ...limited({ identity: 2 }), authorizations: [] })
  pair.setServer(limited({ identity: 2, total: 1_000 }))
  t.equal((await get(pair.port)).status, 429, 'are no second burst')
  pair.setServer(limited({ identity: 2, overrides: [{ requestsPerSecond: 3, identities: [IDENTITY] }] }))
  t.equal(await statuses(pair.port, 4), '200 200 200 429', 'an override')
  pair.setServer(OPEN)
  t.equal(await statuses(pair.port, 5), '200 200 200 200 200', 'no limit')
})

test('HTTP/2 and gRPC', async (t) => {
  const app = await startHttp2((stream) => {
    stream.respond({ ':status': 200 })
    stream.end('served')
  })
  const pair = await startPair({ appPorts: [app.port], inboundNowMs: frozen })
  const session = await connectHttp2(pair.port)
  const client = new grpc.Client(`127.0.0.1:${pair.port}`, grpc.credentials.createInsecure())
  t.teardown(() => {
    client.close()
    session.destroy()
    pair.close()
    app.close()
  })
  const headersOf = () =>
    new Promise<Record<string, unknown>>((resolve, reject) => {
      const stream = session.request({ ':path': '/' })
      stream.on('response', (headers) => resolve(headers))
      stream.on('error', reject)
      stream.resume()
    })
  t.match(await headersOf(), { ':status': 200 })
  pair.setServer(limited({ total: 1 }))
  t.match(await headersOf(), { ':status': 200 })
  t.match(await headersOf(), { ':status': 429, 'retry-after': '1' })
  const error = await new Promise<grpc.ServiceError | null>((resolve) =>
    client.makeUnaryRequest(
      '/echo.Echo/Unary',
      (b: Buffer) => b,
      (b: Buffer) => b,
      Buffer.alloc(0),
      resolve,
    ),
  )
  t.match(error, { code: grpc.status.RESOURCE_EXHAUSTED, details: 'total rate limit exceeded: 1rps' })
  t.same(error?.metadata.get('retry-after'), ['1'])
})

test('what takes nothing from the limit', async (t) => {
  const app = await startHttp1((_request, response) => response.end('served'))
  const pair = await startPair({ appPorts: [app.port], inboundNowMs: frozen })
  t.teardown(() => {
    pair.close()
    app.close()
  })
  const denied = { ...limited({ total: 1 }), authorizations: [] }
  await get(pair.port)
  pair.setServer({ ...denied, protocol: { kind: 'http1', table: defaultInboundTable([]) } })
  t.equal(await statuses(pair.port, 3), '403 403 403')
  pair.setServer(limited({ total: 1 }))
  t.equal(await statuses(pair.port, 2), '200 429', 'requests that are denied')

  const [authorization] = OPEN.authorizations
  const probes = [{ ...authorization!, meta: defaultMeta('probe') }]
  pair.setServer({ ...limited({ total: 1 }), protocol: { kind: 'http1', table: defaultInboundTable(probes) } })
  t.equal(await statuses(pair.port, 3), '200 200 200', 'health checks pass when the limit is used up')
})
