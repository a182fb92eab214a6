/** What may leave the cluster: by host, by SNI, by port and by method, and everything else as the EgressNetwork says. */
import { type Test, test } from 'tap'
import { createAuthority } from '../support/authority.ts'
import type { Agent } from './agent.ts'
import { TestPort } from './app/grpc-echo.ts'
import { cannotRun, startMesh, until } from './cluster.ts'
import { client, namespace, SERVER } from './manifests.ts'
import { egress, egressNetwork, grpcRoute, httpRoute, tcpRoute, tlsRoute } from './policies.ts'

/** Of RFC 5737: outside of every cluster. */
const [SERVER_IP, EXCEPTED_IP] = ['203.0.113.10', '203.0.113.20']
const NS = 'meshed'
const GLOBAL_NS = 'linkerd-egress'

interface Outcomes {
  readonly http: number
  readonly grpc: number
  readonly tls: boolean
  readonly tcp: boolean
}
const ALLOWED: Outcomes = { http: 200, grpc: 0, tls: true, tcp: true }
/** A gRPC call that no GRPCRoute is about is a request of HTTP like others: FAILED_PRECONDITION. */
const DENIED: Outcomes = { http: 403, grpc: 9, tls: false, tcp: false }

test('egress', { skip: cannotRun }, async (t) => {
  const tls = await (await createAuthority('outside')).issue('good.example.org')
  const mesh = await startMesh(t, {
    manifests: [
      namespace(NS, true),
      namespace('other', true),
      namespace(GLOBAL_NS, false),
      ...client({ name: 'client', namespace: NS }),
      ...client({ name: 'client', namespace: 'other' }),
    ],
  })
  await mesh.outside([SERVER_IP, EXCEPTED_IP], SERVER, {
    TLS_CERT: tls.certificatePem,
    TLS_KEY: tls.privateKeyPem,
  })
  const [agent, other] = [mesh.agent(NS, 'client'), mesh.agent('other', 'client')]
  await until('the server outside answers', async () => (await ask(agent)).http === 200)

  const expect = async (t: Test, wanted: Outcomes, what: string, who = agent, asked: Partial<Asked> = {}) =>
    t.same(await ask(who, asked), wanted, what)

  await t.test('without an EgressNetwork everything may leave', async (t) => {
    await expect(t, ALLOWED, 'all protocols')
  })

  await t.test('Deny is for all that no route allows, in its namespace', async (t) => {
    await mesh.program([egressNetwork('all', NS, { trafficPolicy: 'Deny' })])
    await expect(t, DENIED, 'nothing leaves')
    await expect(t, ALLOWED, 'except from another namespace', other)
    const curl = ['--output', '/dev/null', '--write-out', '%{http_code}', `http://${SERVER_IP}:${TestPort.http}/who`]
    t.match(await agent.call('curl', { args: curl }), { code: 0, stdout: '403' })
  })

  await t.test('routes allow by host, SNI, method and port', async (t) => {
    const backendRefs = [{ group: 'policy.linkerd.io', kind: 'EgressNetwork', name: 'all' }]
    const route = (port: number) => ({ name: 'good', namespace: NS, parent: egress('all', NS, port) })
    await mesh.program([
      httpRoute({
        ...route(TestPort.http),
        hostnames: ['good.example.org', '*.fine.example.org'],
        rules: [{ backendRefs }],
      }),
      tlsRoute({ ...route(TestPort.tls), hostnames: ['good.example.org'], rules: [{ backendRefs }] }),
      tcpRoute({ ...route(TestPort.serverFirst), rules: [{ backendRefs }] }),
      grpcRoute({
        ...route(TestPort.grpc),
        rules: [{ matches: [{ method: { service: 'weft.test.Echo', method: 'Unary' } }], backendRefs }],
      }),
    ])
    await expect(t, ALLOWED, 'the host that is named', agent, { host: 'good.example.org' })
    const neither = { host: 'bad.example.org', method: 'chat' } as const
    await expect(t, { ...DENIED, grpc: 7, tcp: true }, 'neither another host nor another method', agent, neither)
    for (const [host, status] of [
      ['a.fine.example.org', 200],
      ['fine.example.org', 403],
      ['good.example.org:8080', 200],
      ['GOOD.example.org', 200],
    ] as const) {
      t.equal((await ask(agent, { host })).http, status, host)
    }
  })

  await t.test('Allow is for all that no route takes', async (t) => {
    await mesh.program([egressNetwork('all', NS, { trafficPolicy: 'Allow' })])
    await expect(t, ALLOWED, 'another host too', agent, { host: 'bad.example.org', method: 'chat' })
  })

  await t.test('a network has exceptions, and the smallest one decides', async (t) => {
    const networks = [{ cidr: '203.0.113.0/24', except: [`${EXCEPTED_IP}/32`] }]
    await mesh.program([egressNetwork('documentation', NS, { trafficPolicy: 'Deny', networks })])
    await expect(t, DENIED, 'an address of it', agent)
    await expect(t, ALLOWED, 'an exception', agent, { ip: EXCEPTED_IP })
  })

  await t.test('a global one is for namespaces without their own', async (t) => {
    await mesh.program([egressNetwork('all', GLOBAL_NS, { trafficPolicy: 'Deny' })])
    await expect(t, DENIED, 'of another namespace', other)
    await expect(t, ALLOWED, 'not of this one', agent, { ip: EXCEPTED_IP })
    await mesh.delete('EgressNetwork', GLOBAL_NS, 'all')
    await until('without it everything may leave again', async () => (await ask(other)).http === 200)
    await expect(t, ALLOWED, 'all protocols', other)
  })
})

interface Asked {
  readonly ip: string
  /** As Host and as SNI. */
  readonly host: string
  readonly method: 'unary' | 'chat'
}

/** All protocols at once. */
async function ask(agent: Agent, { ip = SERVER_IP, host = 'any.example.org', method = 'unary' }: Partial<Asked> = {}) {
  const [http, grpc, tls, tcp] = await Promise.all([
    agent.call('http', { url: `http://${ip}:${TestPort.http}/who`, headers: { host } }),
    agent.call('grpcCalls', {
      target: `${ip}:${TestPort.grpc}`,
      method,
      count: 1,
      concurrency: 1,
      request: { text: 'hello' },
    }),
    agent.call('tlsExchange', {
      host: ip,
      port: TestPort.tls,
      serverName: host.split(':')[0]!,
      send: 'sealed',
      until: 'sealed',
    }),
    agent.call('plainExchange', { host: ip, port: TestPort.serverFirst, send: 'plain\n' }),
  ])
  const [, code = '0'] = /grpc-status (\d+)/.exec(grpc.failures.join()) ?? []
  return { http: http.status, grpc: Number(code), tls: 'answer' in tls, tcp: tcp.error === undefined }
}
