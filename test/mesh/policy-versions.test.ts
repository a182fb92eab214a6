/** Policies that change under load, on both sides of the wire: each request is judged by one version of them. */
import { type Test, test } from 'tap'
import type { Judge } from './app/calls/versions.ts'
import { TestPort } from './app/grpc-echo.ts'
import { cannotRun, type Mesh, startMesh, until } from './cluster.ts'
import { client, type Manifest, namespace, server } from './manifests.ts'
import { backend, grpcRoute, httpRoute, service } from './policies.ts'

const { http, grpc } = TestPort
const CHANGES = 100
const NS = 'meshed'

test('changes of policies under load', { skip: cannotRun }, async (t) => {
  const mesh = await startMesh(t, {
    manifests: [
      namespace(NS, true),
      ...['web', 'guarded', 'odd', 'even'].flatMap((name) => server({ name, namespace: NS })),
      ...client({ name: 'client', namespace: NS }),
    ],
  })

  await t.test('an HTTPRoute of a service', async (t) => {
    const parent = service('web', NS, http)
    const url = `http://web.${NS}:${http}/show`
    await change(t, mesh, { judge: 'outbound', url }, (version) => [
      httpRoute({ name: 'web', namespace: NS, parent, rules: [httpRule(version)] }),
    ])
  })

  await t.test('a GRPCRoute of a service', async (t) => {
    const parent = service('web', NS, grpc)
    await change(t, mesh, { judge: 'grpc', url: `web.${NS}:${grpc}` }, (version) => [
      grpcRoute({ name: 'web', namespace: NS, parent, rules: [forwarding(version, grpc)] }),
    ])
  })

  await t.test('routes, authorization and rate limit of a Server', async (t) => {
    await mesh.apply([
      policy('Server', 'guarded', serverSpec, 'v1beta3'),
      policy('MeshTLSAuthentication', 'anybody', { identities: ['*'] }),
    ])
    await change(t, mesh, { judge: 'inbound', url: `http://guarded.${NS}:${http}/show` }, guarding)
  })
})

/** Applies version after version, each as soon as the one before is seen. */
async function change(
  t: Test,
  mesh: Mesh,
  load: { readonly judge: Judge; readonly url: string },
  objects: (version: number) => readonly Manifest[],
): Promise<void> {
  const first = objects(1)
  await mesh.apply(first)
  await mesh.program(first.filter(({ kind }) => String(kind).endsWith('Route')))
  // An agent is a process: each counts alone.
  const agent = mesh.agent(NS, 'client')
  await agent.call('startVersions', { ...load, concurrency: 8 })
  for (let version = 1; version <= CHANGES; version++) {
    await mesh.apply(objects(version))
    await until(`version ${version}`, async () => {
      const { newest, failures } = await agent.call('versionsSeen', {})
      if (failures.length > 0) throw new Error(`before version ${version}: ${failures.join('; ')}`)
      return newest >= version
    })
  }
  const report = await agent.call('stopVersions', {})
  t.match(report, { failed: 0, failures: [], count: CHANGES }, `${report.succeeded} requests, each of one version`)
}

/** As `app/calls/versions.ts` wants it. */
function httpRule(version: number): object {
  return version % 10 === 0 ? { filters: [redirect(version)] } : forwarding(version, http)
}

function forwarding(version: number, port: number): object {
  return {
    filters: [
      requestFields(version, 'x-of-rule'),
      { type: 'ResponseHeaderModifier', responseHeaderModifier: fields(version, 'x-of-response') },
    ],
    backendRefs: [
      backend(version % 2 === 0 ? 'even' : 'odd', port, 1, { filters: [requestFields(version, 'x-of-backend')] }),
    ],
  }
}

/**
 * Two routes by turns: one has all requests and the authorization, the other has neither. A request that meets the
 * routes of one version and the authorization of another is refused.
 */
function guarding(version: number): readonly Manifest[] {
  const [open, idle] = version % 2 === 0 ? ['even', 'odd'] : ['odd', 'even']
  const filters = version % 10 === 0 ? [redirect(version)] : [requestFields(version, 'x-of-rule', 'x-of-rule-too')]
  const route = (name: string, value: string, filters: readonly object[]) =>
    policy(
      'HTTPRoute',
      name,
      { parentRefs: [GUARDED], rules: [{ matches: [{ path: { type: 'Exact', value } }], filters }] },
      'v1beta3',
    )
  return [
    route(open!, '/show', filters),
    route(idle!, '/nothing', []),
    policy('AuthorizationPolicy', 'guarded', {
      targetRef: { group: GROUP, kind: 'HTTPRoute', name: open },
      requiredAuthenticationRefs: [{ group: GROUP, kind: 'MeshTLSAuthentication', name: 'anybody' }],
    }),
    // Far above the load: what is left of one limit must not be counted against the next.
    policy('HTTPLocalRateLimitPolicy', 'guarded', {
      targetRef: GUARDED,
      total: { requestsPerSecond: 100_000 + version },
    }),
  ]
}

const GROUP = 'policy.linkerd.io'
const GUARDED = { group: GROUP, kind: 'Server', name: 'guarded' }
const serverSpec = {
  podSelector: { matchLabels: { app: 'guarded' } },
  port: http,
  proxyProtocol: 'HTTP/1',
  accessPolicy: 'deny',
}

function policy(kind: string, name: string, spec: object, version = 'v1alpha1'): Manifest {
  return { apiVersion: `${GROUP}/${version}`, kind, metadata: { name, namespace: NS }, spec }
}

function fields(version: number, ...names: readonly string[]): object {
  return { set: names.map((name) => ({ name, value: String(version) })) }
}

function requestFields(version: number, ...names: readonly string[]): object {
  return { type: 'RequestHeaderModifier', requestHeaderModifier: fields(version, ...names) }
}

function redirect(version: number): object {
  const path = { type: 'ReplaceFullPath', replaceFullPath: `/${version}` }
  return { type: 'RequestRedirect', requestRedirect: { path, statusCode: 302 } }
}
