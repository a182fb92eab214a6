/** Shifting traffic to a new version as pipelines do it: by weight, under load, and by what a request says. */
import { test } from 'tap'
import { TestPort } from './app/grpc-echo.ts'
import { cannotRun, startMesh } from './cluster.ts'
import { client, namespace, server } from './manifests.ts'
import { backend, grpcRoute, httpRoute, service } from './policies.ts'

const COUNT = 10_000
/** Of all requests. */
const TOLERANCE = 0.02

const matched = (matches: readonly object[], name: string, port: number) => ({
  matches,
  backendRefs: [backend(name, port)],
})
const { http, grpc } = TestPort

test('canary', { skip: cannotRun }, async (t) => {
  const mesh = await startMesh(t, {
    manifests: [
      namespace('meshed', true),
      ...server({ name: 'web', namespace: 'meshed' }),
      ...server({ name: 'canary', namespace: 'meshed' }),
      ...server({ name: 'picky', namespace: 'meshed' }),
      ...client({ name: 'client', namespace: 'meshed' }),
    ],
  })
  const agent = mesh.agent('meshed', 'client')
  const target = `web.meshed:${grpc}`
  const url = `http://web.meshed:${http}`

  await t.test('by weight, changed under load', async (t) => {
    for (const load of [
      { name: 'HTTP/1', kind: 'http', target: `${url}/who` },
      { name: 'gRPC', kind: 'grpc', target },
    ] as const) {
      await agent.call('startLoad', { ...load, concurrency: 2, pauseMs: 5 })
    }
    for (const share of [0.05, 0.5, 1, 0]) {
      const split = (port: number) => [
        { backendRefs: [backend('web', port, (1 - share) * 100), backend('canary', port, share * 100)] },
      ]
      await mesh.program([
        httpRoute({ name: 'web', namespace: 'meshed', parent: service('web', 'meshed', http), rules: split(http) }),
        grpcRoute({ name: 'web', namespace: 'meshed', parent: service('web', 'meshed', grpc), rules: split(grpc) }),
      ])
      // What is certain needs no count.
      const count = share === 0 ? 100 : COUNT
      const many = { count, concurrency: 32 }
      const reports = {
        'HTTP/1': await agent.call('manyHttp', { url: `${url}/who`, ...many }),
        gRPC: await agent.call('grpcCalls', { target, method: 'unary', request: { text: 'hello' }, ...many }),
      }
      for (const [name, { byPod, failures }] of Object.entries(reports)) {
        const [pod = ''] = Object.keys(byPod).filter((each) => each.startsWith('canary-'))
        const got = (byPod[pod] ?? 0) / count
        const isRight = share % 1 === 0 ? got === share : Math.abs(got - share) <= TOLERANCE
        t.ok(isRight, `${name}: ${got * 100} % of ${count} requests, where ${share * 100} % are wanted`)
        t.same(failures, [], `${name}: none failed`)
      }
    }
    for (const name of ['HTTP/1', 'gRPC']) {
      const report = await agent.call('stopLoad', { name })
      t.match(report, { failed: 0, failures: [] }, `${name}: none of ${report.succeeded} requests failed meanwhile`)
    }
  })

  await t.test('by what an HTTP request says', async (t) => {
    const header = { headers: [{ name: 'x-canary', value: '1' }] }
    const query = { queryParams: [{ name: 'canary', value: 'yes' }] }
    const headerLike = { headers: [{ type: 'RegularExpression', name: 'x-canary', value: 'beta-[0-9]+' }] }
    const path = (type: string, value: string) => ({ path: { type, value } })
    await mesh.program([
      httpRoute({
        name: 'web',
        namespace: 'meshed',
        parent: service('web', 'meshed', http),
        rules: [
          // The order of rules means nothing: the one for everything stands first on purpose.
          { backendRefs: [backend('web', http)] },
          matched([header, headerLike, query, path('Exact', '/show/exact')], 'canary', http),
          matched([path('PathPrefix', '/show/prefix'), path('RegularExpression', '/show/v[0-9]+/.*')], 'canary', http),
          matched([{ method: 'PUT' }], 'canary', http),
          // More specific than the prefix above.
          matched([path('PathPrefix', '/show/prefix/stable')], 'web', http),
        ],
      }),
    ])
    const cases = [
      { path: '/show', pod: 'web-' },
      { path: '/show', headers: { 'x-canary': '1' }, pod: 'canary-' },
      { path: '/show', headers: { 'X-Canary': '1' }, pod: 'canary-' },
      { path: '/show', headers: { 'x-canary': '2' }, pod: 'web-' },
      { path: '/show', headers: { 'x-canary': '11' }, pod: 'web-' },
      { path: '/show', headers: { 'x-canary': 'beta-7' }, pod: 'canary-' },
      { path: '/show', headers: { 'x-canary': 'a beta-7' }, pod: 'web-' },
      { path: '/show?canary=yes', pod: 'canary-' },
      { path: '/show?a=b&canary=yes&c', pod: 'canary-' },
      { path: '/show?canary=yess', pod: 'web-' },
      { path: '/show/exact', pod: 'canary-' },
      { path: '/show/exact/', pod: 'web-' },
      { path: '/show/prefix', pod: 'canary-' },
      { path: '/show/prefix/deep', pod: 'canary-' },
      { path: '/show/prefixed', pod: 'web-' },
      { path: '/show/prefix/stable/7', pod: 'web-' },
      { path: '/show/v12/x', pod: 'canary-' },
      { path: '/show/vx/x', pod: 'web-' },
      { path: '/show', method: 'PUT', pod: 'canary-' },
    ]
    for (const { path, headers = {}, method = 'GET', pod } of cases) {
      const request = { url: `${url}${path}`, headers, method }
      const name = `${method} ${path} ${JSON.stringify(headers)} goes to ${pod}`
      const { status, body } = await agent.call('http', request)
      t.match(
        { status, body: JSON.parse(body) },
        { status: 200, body: { pod: new RegExp(`^${pod}`), url: path } },
        name,
      )
    }
    const { stdout } = await agent.call('curl', { args: ['-H', 'x-canary: 1', `${url}/show`] })
    t.match(JSON.parse(stdout), { pod: /^canary-/ }, 'curl goes to the canary too')
  })

  await t.test('by what gRPC metadata say', async (t) => {
    const method = { method: { service: 'weft.test.Echo', method: 'Unary' } }
    await mesh.program([
      grpcRoute({
        name: 'web',
        namespace: 'meshed',
        parent: service('web', 'meshed', grpc),
        rules: [
          { backendRefs: [backend('web', grpc)] },
          matched([{ ...method, headers: [{ name: 'x-canary', value: '1' }] }], 'canary', grpc),
        ],
      }),
    ])
    for (const [metadata, pod] of [
      [{}, 'web-'],
      [{ 'x-canary': '1' }, 'canary-'],
      [{ 'x-canary': '0' }, 'web-'],
    ] as const) {
      const outcome = await agent.call('grpcCall', { target, metadata })
      t.match(outcome, { code: 0, pod: new RegExp(`^${pod}`) }, `${JSON.stringify(metadata)} goes to ${pod}`)
    }
  })

  await t.test('a route without a rule for a request answers it itself', async (t) => {
    await mesh.program([
      httpRoute({
        name: 'picky',
        namespace: 'meshed',
        parent: service('picky', 'meshed', http),
        rules: [matched([{ path: { type: 'Exact', value: '/show/only' } }], 'picky', http)],
      }),
      grpcRoute({
        name: 'picky',
        namespace: 'meshed',
        parent: service('picky', 'meshed', grpc),
        rules: [matched([{ method: { service: 'weft.test.Other' } }], 'picky', grpc)],
      }),
    ])
    const statusOf = async (path: string) =>
      (await agent.call('http', { url: `http://picky.meshed:${http}${path}` })).status
    t.same([await statusOf('/show/only'), await statusOf('/show')], [200, 404])
    t.match(await agent.call('grpcCall', { target: `picky.meshed:${grpc}` }), { code: 5 }, 'gRPC: NOT_FOUND')
  })
})
