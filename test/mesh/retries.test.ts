/** Retries and timeouts together, over HTTP/1, HTTP/2 and gRPC: what the client gets, and how often the application is asked. */
import { test } from 'tap'
import type { Agent } from './agent.ts'
import { TestPort } from './app/grpc-echo.ts'
import { cannotRun, startMesh } from './cluster.ts'
import { client, namespace, server, serviceOf } from './manifests.ts'
import { backend, grpcRoute, httpRoute, service } from './policies.ts'

const NS = 'meshed'

const RETRY = {
  'retry.linkerd.io/http': '5xx',
  'retry.linkerd.io/grpc': 'internal,unavailable',
  'retry.linkerd.io/limit': '2',
}
/** Annotations of services; their endpoints are those of one application. */
const SERVICES = {
  retried: RETRY,
  once: { 'retry.linkerd.io/http': '503', 'retry.linkerd.io/grpc': 'unavailable' },
  tried: { ...RETRY, 'retry.linkerd.io/timeout': '400ms', 'timeout.linkerd.io/request': '2s' },
  response: { ...RETRY, 'timeout.linkerd.io/response': '400ms' },
  idle: { ...RETRY, 'timeout.linkerd.io/idle': '400ms' },
  silent: {},
  routed: {},
  overridden: { ...RETRY, 'timeout.linkerd.io/request': '400ms' },
  inherited: RETRY,
  standard: {},
} as const

/** Annotations of routes, and fields that only HTTPRoutes have. */
const ROUTES = [
  { name: 'routed', annotations: { ...RETRY, 'retry.linkerd.io/limit': '1', 'timeout.linkerd.io/request': '600ms' } },
  {
    name: 'overridden',
    annotations: {
      'retry.linkerd.io/http': '500',
      'retry.linkerd.io/grpc': 'internal',
      'timeout.linkerd.io/request': '5s',
    },
  },
  { name: 'inherited', annotations: { 'timeout.linkerd.io/request': '600ms' } },
  {
    name: 'standard',
    rule: {
      timeouts: { request: '1500ms', backendRequest: '400ms' },
      retry: { codes: [503, 504], attempts: 2, backoff: '10ms' },
    },
  },
] as const

interface Case {
  readonly to: keyof typeof SERVICES
  /** Of HTTP; gRPC gets the codes of the same meaning. */
  readonly plan: string
  readonly status: number
  readonly attempts: number
  readonly what: string
  readonly bytes?: number
  readonly only?: 'http'
}

const CASES: readonly Case[] = [
  { to: 'silent', plan: '503 200', status: 503, attempts: 1, what: 'nothing is retried unasked' },
  { to: 'retried', plan: '503 503 200', status: 200, attempts: 3, what: 'up to the limit' },
  { to: 'retried', plan: '503 500 503 200', status: 503, attempts: 3, what: 'and not beyond' },
  { to: 'retried', plan: '404 200', status: 404, attempts: 1, what: 'an answer that is not listed stands' },
  { to: 'retried', plan: '503 404 200', status: 404, attempts: 2, what: 'also that of a later attempt' },
  { to: 'once', plan: '503 503 200', status: 503, attempts: 2, what: 'without a limit: once' },
  { to: 'once', plan: '500 200', status: 500, attempts: 1, what: 'one status of many' },
  { to: 'tried', plan: '200@1500 200', status: 200, attempts: 2, what: 'a slow attempt is given up' },
  { to: 'tried', plan: '503 200@1500 200', status: 200, attempts: 3, what: 'a failed one, a slow one, a good one' },
  { to: 'tried', plan: '503 503 200@800', status: 200, attempts: 3, what: 'the last one may take its time' },
  { to: 'tried', plan: '200@5000', status: 504, attempts: 3, what: 'the request timeout is over all attempts' },
  { to: 'response', plan: '503 200', status: 200, attempts: 2, what: 'quick attempts are in time' },
  { to: 'response', plan: '200@1500 200', status: 504, attempts: 1, what: 'a response timeout ends the request' },
  { to: 'idle', plan: '503 200@100', status: 200, attempts: 2, what: 'who answers is not idle' },
  { to: 'idle', plan: '200@1500', status: 504, attempts: 1, what: 'silence ends the request' },
  { to: 'routed', plan: '503 200', status: 200, attempts: 2, what: 'annotations of a route' },
  { to: 'routed', plan: '503 503 200', status: 503, attempts: 2, what: 'its limit' },
  { to: 'routed', plan: '503 200@1500', status: 504, attempts: 2, what: 'its timeout, of the second attempt' },
  {
    to: 'overridden',
    plan: '500 200@800',
    status: 200,
    attempts: 2,
    what: "a route's annotations replace the service's",
  },
  { to: 'overridden', plan: '503 200', status: 503, attempts: 1, what: 'whole: what only the service lists is not' },
  { to: 'inherited', plan: '503 503 200', status: 200, attempts: 3, what: "a route without retries has its service's" },
  { to: 'inherited', plan: '503 200@1500', status: 504, attempts: 2, what: 'with its own timeout' },
  { to: 'standard', plan: '503 503 200', status: 200, attempts: 3, what: 'retry of the Gateway API', only: 'http' },
  { to: 'standard', plan: '500 200', status: 500, attempts: 1, what: 'its codes alone', only: 'http' },
  { to: 'standard', plan: '200@1000 200', status: 200, attempts: 2, what: 'backendRequest, and another', only: 'http' },
  { to: 'standard', plan: '200@1000', status: 504, attempts: 3, what: 'backendRequest of the last', only: 'http' },
  { to: 'retried', plan: '503 200', status: 200, attempts: 2, what: 'a small body is sent again', bytes: 60_000 },
  { to: 'retried', plan: '503 200', status: 503, attempts: 1, what: 'one beyond 64 KiB is not', bytes: 70_000 },
  { to: 'retried', plan: '503 200', status: 200, attempts: 2, what: '64 KiB are', bytes: 65_536, only: 'http' },
  { to: 'retried', plan: '503 200', status: 503, attempts: 1, what: 'a byte more is not', bytes: 65_537, only: 'http' },
]

test('retries and timeouts', { skip: cannotRun }, async (t) => {
  const mesh = await startMesh(t, {
    manifests: [
      namespace(NS, true),
      ...server({ name: 'app', namespace: NS }),
      ...Object.entries(SERVICES).map(([name, annotations]) => serviceOf(name, NS, 'app', annotations)),
      ...client({ name: 'client', namespace: NS }),
    ],
  })
  const agent = mesh.agent(NS, 'client')
  await mesh.program(
    ROUTES.flatMap(({ name, ...route }) => {
      const more = { namespace: NS, ...('annotations' in route && { annotations: route.annotations }) }
      const rule = 'rule' in route ? route.rule : {}
      const rules = (port: number) => [{ ...rule, backendRefs: [backend('app', port)] }]
      const http = (port: number, suffix: string) =>
        httpRoute({ ...more, name: name + suffix, parent: service(name, NS, port), rules: rules(port) })
      const grpc = { ...more, name, parent: service(name, NS, TestPort.grpc), rules: rules(TestPort.grpc) }
      return [
        http(TestPort.http, ''),
        http(TestPort.http2, '-http2'),
        // Without the fields that a GRPCRoute does not have.
        ...('rule' in route ? [] : [grpcRoute(grpc)]),
      ]
    }),
  )

  for (const each of CASES) {
    const { to, plan, what, only } = each
    await t.test(`${to}: ${plan}: ${what}`, async (t) => {
      const protocols = PROTOCOLS.filter(({ name }) => name !== 'gRPC' || only === undefined)
      const outcomes = await Promise.all(
        protocols.map(async ({ name, ask }) => {
          const id = `${name} ${to} ${plan} ${what}`
          const { status, error } = await ask(agent, each, id)
          const url = `http://app.${NS}:${TestPort.http}/attempts?id=${encodeURIComponent(id)}`
          const { attempts } = JSON.parse((await agent.call('http', { url })).body) as { attempts: number }
          return { name, status, attempts, error }
        }),
      )
      for (const { name, status, attempts, error } of outcomes) {
        t.same({ status, attempts }, { status: each.status, attempts: each.attempts }, `${name} ${error}`)
        if (each.status === 504) t.match(error, /timed out|within|for \d+ ms/, `${name}: the proxy says why`)
      }
    })
  }
})

type Ask = (agent: Agent, each: Case, id: string) => Promise<{ readonly status: number; readonly error: string }>

const http =
  (call: 'http' | 'http2', port: number): Ask =>
  async (agent, { to, plan, bytes }, id) => {
    const content = bytes === undefined ? {} : { method: 'POST', body: 'x'.repeat(bytes) }
    const headers = { 'x-plan': plan, 'x-request-id': id }
    const response = await agent.call(call, { url: `http://${to}.${NS}:${port}/plan`, headers, ...content })
    return { status: response.status, error: String(response.headers['l5d-proxy-error'] ?? '') }
  }

/** Failures come without any message: trailers only. */
const grpc: Ask = async (agent, { to, plan, bytes = 1 }, id) => {
  const { code, details } = await agent.call('grpcCall', {
    target: `${to}.${NS}:${TestPort.grpc}`,
    metadata: {
      'x-plan': plan.replace(/\b\d{3}\b(?<!@\d+)/g, (status) => String(GRPC_CODES[status])),
      'x-request-id': id,
    },
    request: { text: 'x'.repeat(bytes) },
  })
  const [status = ''] = Object.entries(GRPC_CODES).find(([, each]) => each === code) ?? []
  return { status: Number(status), error: details }
}

const GRPC_CODES: Readonly<Record<string, number>> = { 200: 0, 404: 5, 500: 13, 503: 14, 504: 4 }

const PROTOCOLS: readonly { readonly name: string; readonly ask: Ask }[] = [
  { name: 'HTTP/1', ask: http('http', TestPort.http) },
  { name: 'HTTP/2', ask: http('http2', TestPort.http2) },
  { name: 'gRPC', ask: grpc },
]
