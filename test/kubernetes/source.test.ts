/** The resource store and reviews of tokens against a real API server and etcd. */
import { test } from 'tap'
import type { Kind } from '../../api/resources/kinds.ts'
import { KubernetesTokens } from '../../control/identity/kubernetes-tokens.ts'
import { HttpKubernetesApi } from '../../control/resources/kubernetes-api.ts'
import { KubernetesSource } from '../../control/resources/kubernetes-source.ts'
import { MemoryStore } from '../../control/resources/store.ts'
import { missingApiServer, startApiServer } from './api-server.ts'

const SERVER_CRD = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: {
    name: 'servers.policy.linkerd.io',
  },
  spec: {
    group: 'policy.linkerd.io',
    scope: 'Namespaced',
    names: { kind: 'Server', plural: 'servers', singular: 'server' },
    versions: [
      {
        name: 'v1beta3',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
}
const POD = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', labels: { app: 'web' } },
  spec: { containers: [{ name: 'web', image: 'web', ports: [{ containerPort: 80 }] }] },
}

test('follows a real API server', { skip: missingApiServer(), timeout: 180_000 }, async (t) => {
  const real = await startApiServer()
  t.teardown(() => real.close())
  const store = new MemoryStore()
  const changed = async (isSo: () => boolean) => {
    while (!isSo())
      await new Promise<void>((resolve) => {
        const end = store.subscribe(() => {
          end()
          resolve()
        })
      })
  }
  const problems: string[] = []
  const absent: Kind[] = []
  const api = new HttpKubernetesApi({ server: real.server, ca: real.ca, token: () => real.adminToken })
  const source = new KubernetesSource({
    api,
    store,
    onProblem: (sentence) => problems.push(sentence),
    onAbsent: (kind) => absent.push(kind),
    // Waits are a hundredth of what they are.
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms / 100)),
  })
  t.teardown(() => {
    source.close()
    api.close()
  })
  await real.send('POST', '/api/v1/namespaces', { metadata: { name: 'shop' } })
  await source.start()
  t.ok(store.get('Namespace', '', 'shop'), 'listed')
  t.ok(store.get('Service', 'default', 'kubernetes'), 'what the API server made itself')
  t.ok(absent.includes('Server') && absent.includes('HTTPRoute'), 'CRDs are not there yet')
  t.same(problems, [], 'nothing is wrong with what a fresh cluster holds')

  await real.send('POST', '/api/v1/namespaces/shop/pods', POD)
  await changed(() => store.get('Pod', 'shop', 'web') !== undefined)
  t.same(store.get('Pod', 'shop', 'web')?.metadata.labels, { app: 'web' }, 'a pod with all defaults passes its check')

  await real.send('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', SERVER_CRD)
  const servers = '/apis/policy.linkerd.io/v1beta3/namespaces/shop/servers'
  const server = {
    apiVersion: 'policy.linkerd.io/v1beta3',
    kind: 'Server',
    metadata: { name: 'web' },
    spec: { podSelector: {}, port: 80, accessPolicy: 7 },
  }
  // The kind is served a moment after it was made.
  for (let isMade = false; !isMade; )
    isMade = await real.send('POST', servers, server).then(
      () => true,
      () => new Promise((resolve) => setTimeout(() => resolve(false), 100)),
    )
  await changed(() => store.list('Server').length === 1)
  t.same(store.get('Server', 'shop', 'web')?.metadata.unknownFields, ['spec'], 'kept closed')
  t.match(problems.join('\n'), 'Server shop/web: spec.accessPolicy')

  await real.send('POST', '/api/v1/namespaces/shop/serviceaccounts', { metadata: { name: 'web' } })
  const tokenFor = async (audience: string) => {
    const path = '/api/v1/namespaces/shop/serviceaccounts/web/token'
    const answer = await real.send('POST', path, { spec: { audiences: [audience], expirationSeconds: 600 } })
    return Buffer.from((answer as { status: { token: string } }).status.token)
  }
  const tokens = new KubernetesTokens(api)
  const own = await tokenFor('identity.l5d.io')
  const whose = { ok: true, namespace: 'shop', serviceAccount: 'web' }
  t.same(await tokens.review(own, 'identity.l5d.io'), whose, 'a token of the cluster')
  for (const [name, token] of [
    ['for another audience', await tokenFor('https://kubernetes.default.svc')],
    ['a changed signature', Buffer.from(`${own.toString().slice(0, -8)}AAAAAAAA`)],
    ['of a user who is no service account', Buffer.from(real.adminToken)],
  ] as const) {
    t.match(await tokens.review(token, 'identity.l5d.io'), { ok: false, kind: 'unauthenticated' }, name)
  }

  await real.kill()
  await t.rejects(tokens.review(own, 'identity.l5d.io'), /cannot be reached/, 'no judgement without the API server')
  t.ok(store.get('Pod', 'shop', 'web'), 'the last state stays')
  await real.restart()
  await real.send('DELETE', '/api/v1/namespaces/shop/pods/web?gracePeriodSeconds=0')
  await real.send('POST', '/api/v1/namespaces', { metadata: { name: 'late' } })
  await changed(() => store.get('Namespace', '', 'late') !== undefined && store.list('Pod').length === 0)
  t.ok(store.get('Server', 'shop', 'web'), 'what did not change is still there')

  const poor = new HttpKubernetesApi({ server: real.server, ca: real.ca, token: () => real.token })
  t.teardown(() => poor.close())
  await t.rejects(poor.get('/api/v1/pods?limit=1', AbortSignal.timeout(10_000)), {
    status: 403,
    message: /no permission \(pods is forbidden: User "weft" cannot list resource "pods".*; grant this verb/,
  })
  const wrong = new HttpKubernetesApi({ server: real.server, token: () => real.adminToken })
  t.teardown(() => wrong.close())
  await t.rejects(wrong.get('/api/v1/pods', AbortSignal.timeout(10_000)), {
    message: /cannot be reached \(.*certificate/,
  })
})
