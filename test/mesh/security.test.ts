/**
 * What the mesh protects: nothing readable between pods, exactly the expected identity at the other end, ports that
 * refuse strangers, and certificates that change while traffic flows.
 */
import { test } from 'tap'
import { meshIdentity, Port, TRANSPORT_ALPN } from '../../api/vocabulary.ts'
import { encodeTransportHeader } from '../../proxy/wire/transport-header.ts'
import type { Agent } from './agent.ts'
import { TestPort } from './app/grpc-echo.ts'
import { asOption, certificateFor, newIssuer } from './certificates.ts'
import { cannotRun, metric, startMesh, until } from './cluster.ts'
import { captureContainer, client, endpointOf, namespace, rogue, server } from './manifests.ts'

/** A certificate is valid for 16 s, and renewed after 70 % of that. */
const LEAF = { lifetimeMs: 12_000, clockSkewMs: 4_000 }
const RENEWALS = 2

const POLICY = 'config.linkerd.io/default-inbound-policy'

const identityOf = (serviceAccount: string) =>
  meshIdentity({ serviceAccount, namespace: 'meshed', controlPlaneNs: 'linkerd', trustDomain: 'cluster.local' })

/** Nothing else on the wire looks like these. */
const SECRETS = {
  requestBody: 'secret-of-the-request-body',
  requestHeader: 'secret-of-the-request-header',
  answer: 'secret-of-the-answer',
  grpc: 'secret-of-the-grpc-message',
  opaque: 'secret-of-the-opaque-connection',
} as const

test('security', { skip: cannotRun }, async (t) => {
  const issuer = await newIssuer()
  const stranger = await newIssuer()
  const genuine = await certificateFor(identityOf('genuine'), issuer)
  const otherName = await certificateFor(identityOf('somebody'), issuer)
  const otherCa = await certificateFor(identityOf('genuine'), stranger)
  const rogueWith = (name: string, { cert, key }: typeof genuine) =>
    rogue({ name, namespace: 'plain', env: { TLS_CERT: cert, TLS_KEY: key } })

  const mesh = await startMesh(t, {
    issuer: asOption(issuer),
    leaf: LEAF,
    manifests: [
      namespace('meshed', true),
      namespace('plain', false),
      ...server({ name: 'genuine', namespace: 'meshed', env: { ANSWER: SECRETS.answer } }, {}, [captureContainer()]),
      ...server({ name: 'denied', namespace: 'meshed', annotations: { [POLICY]: 'deny' } }),
      ...server({ name: 'authenticated', namespace: 'meshed', annotations: { [POLICY]: 'all-authenticated' } }),
      ...client({ name: 'client', namespace: 'meshed' }),
      ...client({ name: 'client', namespace: 'plain' }),
      ...rogueWith('rogue-genuine', genuine),
      ...rogueWith('rogue-other-name', otherName),
      ...rogueWith('rogue-other-ca', otherCa),
    ],
  })
  const meshed = mesh.agent('meshed', 'client')
  const plain = mesh.agent('plain', 'client')
  const genuinePod = await mesh.onePod('meshed', 'genuine')
  const genuineIp = genuinePod.status.podIP
  const clientIp = (await mesh.onePod('meshed', 'client')).status.podIP

  // Runs beside everything that follows: each opaque connection is a handshake between the two proxies.
  const loads = [
    {
      name: 'handshakes',
      kind: 'opaque',
      target: `genuine.meshed:${TestPort.serverFirst}`,
      concurrency: 2,
      pauseMs: 20,
    },
    {
      name: 'requests',
      kind: 'http',
      target: `http://genuine.meshed:${TestPort.http}/who`,
      concurrency: 2,
      pauseMs: 20,
    },
  ] as const
  for (const load of loads) await meshed.call('startLoad', load)

  await t.test('nothing readable passes between meshed pods', async (t) => {
    const capture = mesh.agent('meshed', 'genuine', 'capture')
    const words = Object.values(SECRETS)
    const sendSecrets = async (agent: Agent) => {
      await capture.call('startCapture', { device: 'eth0', words })
      const url = `http://genuine.meshed:${TestPort.http}/echo`
      const headers = { 'x-secret': SECRETS.requestHeader }
      const response = await agent.call('http', { url, method: 'POST', headers, body: SECRETS.requestBody })
      const echoed = { secret: SECRETS.requestHeader, body: SECRETS.requestBody, own: SECRETS.answer }
      t.match(JSON.parse(response.body), echoed, 'HTTP arrived')
      const target = `genuine.meshed:${TestPort.grpc}`
      const request = { text: SECRETS.grpc }
      const calls = await agent.call('grpcCalls', { target, method: 'unary', count: 1, concurrency: 1, request })
      t.match(calls, { succeeded: 1, failures: [] }, 'gRPC arrived')
      const exchange = { host: 'genuine.meshed', port: TestPort.serverFirst, send: SECRETS.opaque }
      t.match(await agent.call('opaqueExchange', exchange), SECRETS.opaque, 'opaque TCP arrived')
      return capture.call('stopCapture', undefined)
    }
    const sealed = await sendSecrets(meshed)
    t.ok(sealed.packets > 10, `${sealed.packets} packets were captured`)
    t.same(sealed.seen, Object.fromEntries(words.map((word) => [word, 0])), 'from a meshed client none shows')
    const open = await sendSecrets(plain)
    for (const word of words) t.ok((open.seen[word] ?? 0) > 0, `from an unmeshed client "${word}" shows`)
  })

  await t.test('a request goes only to a peer with the identity that discovery named', async (t) => {
    const target = { name: genuinePod.metadata.name, namespace: 'meshed' }
    const cases = [
      { name: 'rogue-genuine', status: 200, reason: undefined, what: 'its certificate from the mesh CA' },
      { name: 'rogue-other-name', status: 504, reason: /identity/, what: 'a certificate of somebody else' },
      { name: 'rogue-other-ca', status: 504, reason: /certificate/, what: 'a certificate of another CA' },
    ]
    for (const { name, status, reason, what } of cases) {
      const pod = await mesh.onePod('plain', name)
      await mesh.apply(endpointOf(name, 'meshed', pod.status.podIP, target))
      const url = `http://${name}.meshed:${TestPort.http}/who`
      const response = await meshed.call('http', { url, headers: { 'x-secret': SECRETS.requestHeader } })
      const error = response.headers['l5d-proxy-error']
      // A service none of whose endpoints becomes ready: fail-fast.
      t.equal(response.status, status, `${what}: ${response.status} ${error ?? ''}`)
      if (reason !== undefined) t.match(error, reason, `${what}: the proxy says so`)
      const counted = await plain.call('http', { url: `http://${pod.status.podIP}:${TestPort.http}/` })
      const counts = JSON.parse(counted.body) as { connections: number; bytes: number }
      t.ok(counts.connections > 0, `${what}: it was connected to`)
      if (status === 200) t.ok(counts.bytes > 0, `${what}: the request arrived`)
      else t.equal(counts.bytes, 0, `${what}: no byte of the request arrived`)
    }
  })

  await t.test('a client with a certificate of another CA gets no connection', async (t) => {
    const header = encodeTransportHeader({ port: TestPort.http, sessionProtocol: 'http1' }).toString('latin1')
    const exchange = {
      host: genuineIp,
      port: Port.inbound,
      serverName: identityOf('genuine'),
      alpn: TRANSPORT_ALPN,
      send: `${header}GET /who HTTP/1.1\r\nhost: genuine\r\n\r\n`,
      until: '}',
    }
    const own = await plain.call('tlsExchange', { ...exchange, ...otherName })
    t.match(
      own,
      { answer: new RegExp(`"clientId":"${identityOf('somebody')}"`) },
      'with one of the mesh CA it is told who',
    )
    const foreign = await plain.call('tlsExchange', { ...exchange, ...otherCa })
    t.match(foreign, { error: String }, 'with one of another CA it is refused')
  })

  await t.test('default inbound policies refuse strangers', async (t) => {
    const status = async (agent: Agent, host: string) => {
      const response = await agent.call('http', { url: `http://${host}.meshed:${TestPort.http}/who` })
      return response.status
    }
    const cases = [
      { name: 'all-authenticated, meshed', agent: meshed, host: 'authenticated', status: 200 },
      { name: 'all-authenticated, unmeshed', agent: plain, host: 'authenticated', status: 403 },
      { name: 'deny, meshed', agent: meshed, host: 'denied', status: 403 },
      { name: 'deny, unmeshed', agent: plain, host: 'denied', status: 403 },
    ]
    for (const { name, agent, host, status: wanted } of cases) t.equal(await status(agent, host), wanted, name)
    const exchange = { host: 'authenticated.meshed', port: TestPort.serverFirst, send: 'hello' }
    t.match(await meshed.call('opaqueExchange', exchange), 'hello', 'opaque TCP, all-authenticated, meshed')
    await t.rejects(plain.call('opaqueExchange', exchange), 'opaque TCP, all-authenticated, unmeshed: closed')
  })

  await t.test('certificates are renewed under load and no handshake fails', async (t) => {
    for (const [name, ip] of [
      ['client', clientIp],
      ['server', genuineIp],
    ] as const) {
      const renewed = () => metric(plain, ip, 'control_identity_cert_refreshes_total', 'result="ok"')
      // The first one is no renewal.
      await until(`the ${name}'s certificate was renewed`, async () => (await renewed()) > RENEWALS)
      t.ok(true, `the ${name}'s certificate was renewed ${RENEWALS} times`)
    }
    const before = await meshed.call('reportLoad', { name: 'handshakes' })
    await until('handshakes with the new certificates', async () => {
      const { succeeded } = await meshed.call('reportLoad', { name: 'handshakes' })
      return succeeded > before.succeeded + 50
    })
    for (const { name } of loads) {
      const report = await meshed.call('stopLoad', { name })
      t.ok(report.succeeded > 100, `${report.succeeded} ${name}`)
      t.match(report, { failed: 0, failures: [] }, `no failed ${name}: ${report.failures.join('; ')}`)
    }
  })
})
