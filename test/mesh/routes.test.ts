/** Whom a route is for, and what backends that cannot be used answer. */
import { test } from 'tap'
import { TestPort } from './app/grpc-echo.ts'
import { cannotRun, startMesh } from './cluster.ts'
import { client, namespace, server } from './manifests.ts'
import { backend, grpcRoute, httpRoute, service } from './policies.ts'

const { http, grpc } = TestPort
const COUNT = 1_000

test('routes', { skip: cannotRun }, async (t) => {
  const mesh = await startMesh(t, {
    manifests: [
      namespace('meshed', true),
      namespace('consumer', true),
      ...server({ name: 'web', namespace: 'meshed' }),
      ...server({ name: 'odd', namespace: 'meshed' }),
      ...server({ name: 'own', namespace: 'consumer' }),
      ...client({ name: 'client', namespace: 'meshed' }),
      ...client({ name: 'client', namespace: 'consumer' }),
    ],
  })
  const [producer, consumer] = [mesh.agent('meshed', 'client'), mesh.agent('consumer', 'client')]
  const url = `http://web.meshed:${http}`

  await t.test('a consumer route is for its own namespace alone', async (t) => {
    await mesh.program([
      httpRoute({
        name: 'web',
        namespace: 'consumer',
        parent: service('web', 'meshed', http),
        rules: [{ backendRefs: [backend('own', http)] }],
      }),
      grpcRoute({
        name: 'web',
        namespace: 'consumer',
        parent: service('web', 'meshed', grpc),
        rules: [{ backendRefs: [backend('own', grpc)] }],
      }),
    ])
    for (const [agent, pod] of [
      [consumer, 'own-'],
      [producer, 'web-'],
    ] as const) {
      const { body } = await agent.call('http', { url: `${url}/who` })
      t.match(JSON.parse(body), { pod: new RegExp(`^${pod}`) })
      t.match(await agent.call('grpcCall', { target: `web.meshed:${grpc}` }), { code: 0, pod: new RegExp(`^${pod}`) })
    }

    const marked = (by: string) => ({
      filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'x-route', value: by }] } }],
      backendRefs: [{ ...backend('web', http), namespace: 'meshed' }],
    })
    const web = { name: 'web', parent: service('web', 'meshed', http) }
    await mesh.program([
      httpRoute({ ...web, namespace: 'consumer', rules: [marked('consumer')] }),
      httpRoute({ ...web, namespace: 'meshed', rules: [marked('producer')] }),
    ])
    for (const [agent, by] of [
      [consumer, 'consumer'],
      [producer, 'producer'],
    ] as const) {
      const { body } = await agent.call('http', { url: `${url}/show` })
      t.match(JSON.parse(body), { pod: /^web-/, headers: { 'x-route': by } }, `the route of the ${by}`)
    }
    for (const ns of ['consumer', 'meshed']) await mesh.delete('HTTPRoute', ns, 'web')
    await mesh.delete('GRPCRoute', 'consumer', 'web')
  })

  await t.test('a backend that cannot be used fails its share, and is named', async (t) => {
    const rules = (port: number) => [{ backendRefs: [backend('web', port, 75), backend('nowhere', port, 25)] }]
    await mesh.program([
      httpRoute({ name: 'web', namespace: 'meshed', parent: service('web', 'meshed', http), rules: rules(http) }),
      grpcRoute({ name: 'web', namespace: 'meshed', parent: service('web', 'meshed', grpc), rules: rules(grpc) }),
    ])
    const many = { count: COUNT, concurrency: 16 }
    const target = `web.meshed:${grpc}`
    for (const [name, report, failure] of [
      ['HTTP/1', await producer.call('manyHttp', { url: `${url}/who`, ...many }), / 500 .*nowhere/],
      [
        'gRPC',
        await producer.call('grpcCalls', { target, method: 'unary', request: { text: 'x' }, ...many }),
        /grpc-status .*nowhere/,
      ],
    ] as const) {
      const share = report.failed / COUNT
      // Five standard deviations of 1,000 draws.
      t.ok(Math.abs(share - 0.25) < 0.07, `${name}: ${share * 100} % fail`)
      t.match(report.failures, [failure], `${name}: ${report.failures[0]}`)
    }
  })

  await t.test('without any weight every request fails, and says why', async (t) => {
    const rules = (port: number) => [{ backendRefs: [backend('web', port, 0), backend('odd', port, 0)] }]
    await mesh.program([
      httpRoute({ name: 'web', namespace: 'meshed', parent: service('web', 'meshed', http), rules: rules(http) }),
      grpcRoute({ name: 'web', namespace: 'meshed', parent: service('web', 'meshed', grpc), rules: rules(grpc) }),
    ])
    const { status, headers } = await producer.call('http', { url: `${url}/who` })
    t.match({ status, headers }, { status: 500, headers: { 'l5d-proxy-error': /HTTPRoute meshed\/web: all weights/ } })
    const outcome = await producer.call('grpcCall', { target: `web.meshed:${grpc}` })
    t.match(outcome, { code: 13, details: /GRPCRoute meshed\/web: all weights/ }, 'gRPC: INTERNAL')
  })
})
