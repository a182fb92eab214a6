/**
 * What a mesh carries, between real pods: gRPC balanced per request, retries and timeouts of a profile, WebSocket, bulk
 * content, opaque TCP, the applications' own TLS, and neighbours without a sidecar.
 */
import { X509Certificate } from 'node:crypto'
import { test } from 'tap'
import { createAuthority } from '../support/authority.ts'
import { TestPort } from './app/grpc-echo.ts'
import { cannotRun, metric, startMesh } from './cluster.ts'
import { client, namespace, server, serviceProfile } from './manifests.ts'

const MEBIBYTE = 1024 * 1024
/** What a proxy may hold of 100 MB on their way, with room for what its garbage collector leaves for later. */
const MOST_GROWTH_MIB = 40
const MAX_ROUNDS = 3

/** Of the profile of `solo`; small, so that a test can use it up. */
const BUDGET = { retryRatio: 0.2, minRetriesPerSecond: 1, ttl: '10s' }
const RESERVED_RETRIES = 10

const profile = serviceProfile('solo', 'meshed', {
  routes: [
    { name: 'retryable', condition: { method: 'GET', pathRegex: '/fail' }, isRetryable: true },
    { name: 'retryable post', condition: { method: 'POST', pathRegex: '/fail' }, isRetryable: true },
    { name: 'not retryable', condition: { method: 'PUT', pathRegex: '/fail' } },
    { name: 'timeout', condition: { pathRegex: '/slow' }, timeout: '300ms' },
  ],
  retryBudget: BUDGET,
})

/** What a service says without a profile. */
const LATE = { 'timeout.linkerd.io/request': '300ms', 'retry.linkerd.io/http': '5xx' }

test('traffic', { skip: cannotRun }, async (t) => {
  const authority = await createAuthority('the application itself')
  const tls = await authority.issue('solo.test')
  const mesh = await startMesh(t, {
    manifests: [
      namespace('meshed', true),
      namespace('plain', false),
      ...server({ name: 'echo', namespace: 'meshed', replicas: 3 }),
      ...server({
        name: 'solo',
        namespace: 'meshed',
        env: { TLS_CERT: tls.certificatePem, TLS_KEY: tls.privateKeyPem },
      }),
      ...server({ name: 'late', namespace: 'meshed' }, LATE),
      ...client({ name: 'client', namespace: 'meshed' }),
      ...server({ name: 'echo', namespace: 'plain' }),
      ...client({ name: 'client', namespace: 'plain' }),
      profile,
    ],
  })
  const meshed = mesh.agent('meshed', 'client')
  const plain = mesh.agent('plain', 'client')
  const clientIp = (await mesh.onePod('meshed', 'client')).status.podIP
  const replicas = (await mesh.pods('meshed', 'echo')).map((pod) => pod.metadata.name).sort()

  await t.test('gRPC on one client connection is balanced per request', async (t) => {
    const target = `echo.meshed:${TestPort.grpc}`
    // The replicas take the same time, which is long against what a busy machine adds.
    const request = { text: 'hello', delayMs: 100, count: 3 }
    const opened = () => metric(plain, clientIp, 'tcp_open_total', `direction="outbound",peer="src"`)
    const cases = [
      { name: 'unary calls', method: 'unary', count: 3_000 },
      { name: 'server streams', method: 'repeat', count: 900 },
      { name: 'client streams', method: 'collect', count: 900 },
      { name: 'bidirectional streams', method: 'chat', count: 900 },
    ] as const
    for (const { name, method, count } of cases) {
      const share = count / replicas.length
      for (let round = 1; ; round++) {
        const before = await opened()
        const report = await meshed.call('grpcCalls', { target, method, count, concurrency: 90, request })
        const shares = replicas.map((pod) => report.byPod[pod] ?? 0)
        const isEven = shares.every((calls) => Math.abs(calls - share) <= 0.15 * share)
        // A replica that the machine stopped for a moment is not equal, and the balancer is right to avoid it.
        if (!isEven && round < MAX_ROUNDS) continue
        t.match(report, { succeeded: count, failed: 0, failures: [] }, `${name}: all succeed`)
        t.equal((await opened()) - before, 1, `${name}: one connection of the client`)
        t.ok(isEven, `${name}: ${shares.join(', ')} of ${count} in round ${round}, each within 15 % of its share`)
        break
      }
    }
  })

  await t.test('HTTP/1 is balanced per request as well', async (t) => {
    const url = `http://echo.meshed:${TestPort.http}/who`
    const report = await meshed.call('manyHttp', { url, count: 600, concurrency: 4 })
    t.match(report, { succeeded: 600, failures: [] })
    t.same(Object.keys(report.byPod), replicas)
  })

  await t.test('a service profile says what is retried', async (t) => {
    const url = `http://solo.meshed:${TestPort.http}/fail`
    const cases = [
      { name: 'a retryable route that fails once', method: 'GET', times: 1, status: 200, attempt: 2 },
      { name: 'a route that is not retryable', method: 'PUT', times: 1, status: 503, attempt: 1 },
      { name: 'a small body is sent again whole', method: 'POST', times: 1, status: 200, attempt: 2, bytes: 60_000 },
      { name: 'a body beyond 64 KiB is not', method: 'POST', times: 1, status: 503, attempt: 1, bytes: 70_000 },
    ]
    for (const { name, method, times, status, attempt, bytes = 0 } of cases) {
      const body = bytes === 0 ? {} : { body: 'x'.repeat(bytes) }
      const headers = { 'x-request-id': name }
      const response = await meshed.call('http', { url: `${url}?times=${times}`, method, headers, ...body })
      t.match({ ...response, ...JSON.parse(response.body) }, { status, attempt, received: bytes }, name)
    }
  })

  await t.test('so do annotations of a service', async (t) => {
    const url = `http://late.meshed:${TestPort.http}/fail`
    for (const { times, status, attempt } of [
      { times: 1, status: 200, attempt: 2 },
      { times: 2, status: 503, attempt: 2 },
    ]) {
      const name = `it fails ${times} times, and once it is tried again`
      const response = await meshed.call('http', { url: `${url}?times=${times}`, headers: { 'x-request-id': name } })
      t.match({ ...response, ...JSON.parse(response.body) }, { status, attempt }, name)
    }
  })

  await t.test('retries stay within the budget', async (t) => {
    const url = `http://solo.meshed:${TestPort.http}`
    const attempts = async () => {
      const { body } = await plain.call('http', { url: `${url}/count` })
      return (JSON.parse(body) as { totalAttempts: number }).totalAttempts
    }
    const before = await attempts()
    const count = 300
    const report = await meshed.call('manyHttp', { url: `${url}/fail?times=1000000`, count, concurrency: 4 })
    t.equal(report.failed, count, 'all fail')
    const retries = (await attempts()) - before - count
    // What earlier requests left of the budget is at most what they deposited.
    const limit = count * BUDGET.retryRatio + RESERVED_RETRIES + 5
    t.ok(retries > 0 && retries <= limit, `${retries} retries of ${count} requests, at most ${limit}`)
  })

  await t.test('timeouts are answered with 504', async (t) => {
    const cases = [
      { name: 'of a route of a profile', url: `http://solo.meshed:${TestPort.http}/slow?ms=20000` },
      { name: 'of an annotation of the service', url: `http://late.meshed:${TestPort.http}/slow?ms=20000` },
    ]
    for (const { name, url } of cases) {
      const { status, headers } = await meshed.call('http', { url })
      t.equal(status, 504, name)
      t.match(headers, { 'l5d-proxy-error': /timed? ?out/ }, `${name}: the proxy says why`)
    }
    const quick = await meshed.call('http', { url: `http://solo.meshed:${TestPort.http}/slow?ms=1` })
    t.equal(quick.status, 200, 'a quick answer is in time')
  })

  await t.test('WebSocket messages come back, text and binary', async (t) => {
    const messages = ['one', 'two', 'x'.repeat(200_000), 'four']
    const url = `ws://echo.meshed:${TestPort.http}/chat`
    t.same(await meshed.call('webSocketEcho', { url, messages }), { echoes: messages, binary: 2, closeCode: 1000 })
  })

  await t.test('100 MB stream through, and a slow reader holds up nobody', async (t) => {
    const bytes = 100 * MEBIBYTE
    const url = `http://solo.meshed:${TestPort.http}`
    const soloIp = (await mesh.onePod('meshed', 'solo')).status.podIP
    const resident = async (ip: string) => metric(plain, ip, 'process_resident_memory_bytes')
    // Once through, so that what a proxy needs for any bulk at all is there.
    await meshed.call('download', { url: `${url}/bytes?n=${10 * MEBIBYTE}` })
    const proxies = [
      { name: 'outbound proxy', ip: clientIp, before: await resident(clientIp), most: 0 },
      { name: 'inbound proxy', ip: soloIp, before: await resident(soloIp), most: 0 },
    ]
    let isWatching = true
    const watching = (async () => {
      while (isWatching) for (const each of proxies) each.most = Math.max(each.most, await resident(each.ip))
    })()

    const upload = await meshed.call('upload', { url: `${url}/sink`, bytes })
    t.match(JSON.parse(upload.body), { received: bytes }, '100 MB to the server')
    t.same(
      await meshed.call('download', { url: `${url}/bytes?n=${bytes}` }),
      { status: 200, received: bytes },
      '100 MB back',
    )

    const http2 = `http://solo.meshed:${TestPort.http2}`
    // So many that the bulk would be through long before, if anybody kept it for its reader.
    const slow = { bytes, smallCount: 1_500 }
    const cases = [
      { name: 'HTTP/1', call: 'slowReaderHttp1', bulkUrl: `${url}/bytes?n=${bytes}`, smallUrl: `${url}/who` },
      { name: 'HTTP/2', call: 'slowReaderHttp2', bulkUrl: `${http2}/bytes?n=${bytes}`, smallUrl: `${http2}/who` },
    ] as const
    for (const { name, call, ...urls } of cases) {
      const report = await meshed.call(call, { ...slow, ...urls })
      t.match(report.neighbours, { succeeded: slow.smallCount, failures: [] }, `${name}: the neighbours are served`)
      t.equal(report.readBefore, 0, `${name}: while nothing was read`)
      t.equal(report.readInTheEnd, bytes, `${name}: then all of it was`)
    }
    isWatching = false
    await watching
    for (const { name, before, most } of proxies) {
      const grown = (most - before) / MEBIBYTE
      t.ok(grown < MOST_GROWTH_MIB, `the ${name} grew by ${grown.toFixed(1)} MiB`)
    }
  })

  await t.test('a server that speaks first is heard at once on an opaque port', async (t) => {
    const exchange = { host: 'solo.meshed', port: TestPort.serverFirst, send: 'hello mesh' }
    const said = await meshed.call('opaqueExchange', exchange)
    t.equal(said, '5.7.0-weft ready\nhello mesh\n10 bytes\n', 'greeting, echo, and an answer to the half-close')
  })

  await t.test("the application's own TLS passes untouched", async (t) => {
    const exchange = {
      host: 'solo.meshed',
      port: TestPort.tls,
      serverName: 'solo.test',
      send: 'sealed',
      until: 'sealed',
      ca: authority.anchorsPem,
    }
    const { fingerprint256 } = new X509Certificate(tls.certificatePem)
    t.same(await meshed.call('tlsExchange', exchange), { fingerprint: fingerprint256, answer: 'sealed' })
    t.same(
      await plain.call('tlsExchange', exchange),
      { fingerprint: fingerprint256, answer: 'sealed' },
      'from an unmeshed pod',
    )
  })

  await t.test('meshed and unmeshed pods reach each other', async (t) => {
    const who = async (agent: typeof meshed, host: string) => {
      const { status, body } = await agent.call('http', { url: `http://${host}:${TestPort.http}/who` })
      return { status, clientId: (JSON.parse(body) as { clientId: string }).clientId }
    }
    const identity = 'client.meshed.serviceaccount.identity.linkerd.cluster.local'
    t.same(
      await who(meshed, 'echo.meshed'),
      { status: 200, clientId: identity },
      'meshed to meshed: the identity is told',
    )
    t.same(await who(plain, 'echo.meshed'), { status: 200, clientId: '' }, 'unmeshed to meshed')
    t.same(await who(meshed, 'echo.plain'), { status: 200, clientId: '' }, 'meshed to unmeshed')
    const request = { text: 'hello' }
    for (const [agent, host] of [
      [plain, 'echo.meshed'],
      [meshed, 'echo.plain'],
    ] as const) {
      const target = `${host}:${TestPort.grpc}`
      const report = await agent.call('grpcCalls', { target, method: 'chat', count: 20, concurrency: 4, request })
      t.match(report, { succeeded: 20, failures: [] }, `gRPC streams to ${target}`)
    }
  })
})
