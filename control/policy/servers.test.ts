/** Servers: which one decides over a port, and what it says by itself. */
import { test } from 'tap'
import { inboundMessage } from './api/inbound-message.ts'
import { EVERYTHING, lookUp } from './inbound-testing.ts'
import type { Origin } from './model/route.ts'

/** A Server of the namespace shop; `created` is its age. */
const server = (name: string, spec: string, created = '2026-01-01T00:00:00Z') => `---
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: { name: ${name}, namespace: shop, creationTimestamp: "${created}" }
spec: ${spec}
`

const vm = `---
apiVersion: workload.linkerd.io/v1beta1
kind: ExternalWorkload
metadata: { name: vm, namespace: shop, labels: { app: vm } }
spec:
  meshTLS: { identity: vm.shop, serverName: vm.shop }
  workloadIPs: [{ ip: 192.0.2.1 }]
  ports: [{ name: http, port: 8080 }]
`

const DEFAULT = 'default all-unauthenticated'
const WEB = 'policy.linkerd.io server web'

test('which Server decides over a port', async (t) => {
  const web = '{ podSelector: { matchLabels: { app: web } }, port: 8080 }'
  const cases: { name: string; yaml: string; port?: number; workload?: string; is: string; problems?: RegExp[] }[] = [
    { name: 'none', yaml: '', is: DEFAULT },
    { name: 'by number', yaml: server('web', web), is: WEB },
    { name: 'by name', yaml: server('web', '{ podSelector: {}, port: http }'), is: WEB },
    { name: 'another port', yaml: server('web', web), port: 9090, is: DEFAULT },
    { name: 'another name', yaml: server('web', '{ podSelector: {}, port: grpc }'), is: DEFAULT },
    { name: 'an empty selector is every pod', yaml: server('web', '{ podSelector: {}, port: 8080 }'), is: WEB },
    {
      name: 'other labels',
      yaml: server('web', '{ podSelector: { matchLabels: { app: db } }, port: 8080 }'),
      is: DEFAULT,
    },
    { name: 'another namespace', yaml: server('web', web).replace('namespace: shop', 'namespace: other'), is: DEFAULT },
    { name: 'a Server of machines', yaml: server('web', '{ externalWorkloadSelector: {}, port: 8080 }'), is: DEFAULT },
    {
      name: 'the oldest of two',
      yaml: server('a', web, '2026-01-02T00:00:00Z') + server('web', web),
      is: WEB,
      problems: [/^Server shop\/a: port 8080 of what it selects belongs to the older Server shop\/web; let them/],
    },
    {
      name: 'ages are times, not texts',
      yaml: server('a', web, '2026-01-01T00:00:00.500Z') + server('web', web),
      is: WEB,
      problems: [/^Server shop\/a: /],
    },
    {
      name: 'the first by name of equal age',
      yaml: server('web', web) + server('zoo', web),
      is: WEB,
      problems: [/^Server shop\/zoo: /],
    },
    {
      name: 'a machine, by name',
      yaml: vm + server('web', '{ externalWorkloadSelector: { matchLabels: { app: vm } }, port: http }'),
      workload: '{"ns":"shop","external_workload":"vm"}',
      is: WEB,
    },
    {
      name: 'a Server of pods is none of a machine',
      yaml: vm + server('web', '{ podSelector: {}, port: 8080 }'),
      workload: '{"ns":"shop","external_workload":"vm"}',
      is: DEFAULT,
    },
  ]
  for (const { name, yaml, is, problems: expected = [], ...lookup } of cases) {
    const { server, problems } = lookUp(yaml, lookup)
    t.equal(server, is, name)
    t.match(problems, expected, name)
    t.equal(problems.length, expected.length, name)
  }
})

test('a port name may be several ports', async (t) => {
  const container = (name: string, containerPort: number) => ({
    name,
    image: 'app',
    ports: [{ name: 'http', containerPort }],
  })
  const pod = { containers: [container('a', 8080), container('b', 9090)] }
  const yaml = server('web', '{ podSelector: {}, port: http }')
  for (const [port, is] of [
    [8080, WEB],
    [9090, WEB],
    [7070, DEFAULT],
  ] as const)
    t.equal(lookUp(yaml, { pod, port }).server, is, `port ${port}`)
})

test('what a Server says by itself', async (t) => {
  const at = (more: string) => server('web', `{ podSelector: {}, port: 8080, ${more} }`)
  const everyone = (policy: string) => [`default ${policy}: anyone`]
  const cluster = ' from 10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16, fd00::/8'
  const cases: { name: string; spec: string; protocol: string; allows?: string[]; routes?: object[] }[] = [
    { name: 'the defaults detect and deny', spec: '', protocol: 'detect' },
    { name: 'HTTP/1', spec: 'proxyProtocol: HTTP/1', protocol: 'http1' },
    { name: 'HTTP/2', spec: 'proxyProtocol: HTTP/2', protocol: 'http2' },
    {
      name: 'gRPC',
      spec: 'proxyProtocol: gRPC',
      protocol: 'grpc',
      routes: [{ route: 'default default', rules: ['/*/*'] }],
    },
    { name: 'opaque', spec: 'proxyProtocol: opaque', protocol: 'opaque', routes: [] },
    { name: 'TLS', spec: 'proxyProtocol: TLS', protocol: 'tls', routes: [] },
    { name: 'deny', spec: 'accessPolicy: deny', protocol: 'detect' },
    {
      name: 'all',
      spec: 'accessPolicy: all-unauthenticated',
      protocol: 'detect',
      allows: everyone('all-unauthenticated'),
    },
    { name: 'audit', spec: 'accessPolicy: audit', protocol: 'detect', allows: everyone('audit') },
    {
      name: 'identities',
      spec: 'accessPolicy: all-authenticated',
      protocol: 'detect',
      allows: ['default all-authenticated: *'],
    },
    {
      name: 'the cluster',
      spec: 'accessPolicy: cluster-unauthenticated',
      protocol: 'detect',
      allows: [`default cluster-unauthenticated: anyone${cluster}`],
    },
    {
      name: 'identities of the cluster',
      spec: 'accessPolicy: cluster-authenticated',
      protocol: 'detect',
      allows: [`default cluster-authenticated: *${cluster}`],
    },
  ]
  for (const { name, spec, protocol, allows = [], routes = [EVERYTHING] } of cases)
    t.same(lookUp(at(spec)), { server: WEB, protocol, allows, routes, problems: [] }, name)
})

test('the generation of a Server goes with its name', async (t) => {
  const resource = { group: 'policy.linkerd.io', kind: 'server', namespace: '', name: 'web', generation: 4 }
  const policy = { protocol: { kind: 'opaque' }, authorizations: [] } as const
  const labelsOf = (origin: Origin) => inboundMessage({ ...policy, server: origin }).labels
  const labels = { group: 'policy.linkerd.io', kind: 'server', name: 'web', weft_generation: '4' }
  t.same(labelsOf({ kind: 'resource', resource }), labels)
  t.same(labelsOf({ kind: 'default', name: 'deny' }), { group: '', kind: 'default', name: 'deny' })
})

test('annotations of the pod do not count where a Server decides', async (t) => {
  const annotations = {
    'config.linkerd.io/default-inbound-policy': 'all-unauthenticated',
    'config.linkerd.io/opaque-ports': '8080',
  }
  t.match(lookUp(server('web', '{ podSelector: {}, port: 8080 }'), { pod: { annotations } }), {
    protocol: 'detect',
    allows: [],
  })
})

test('what is not understood of a Server denies and is told', async (t) => {
  const open = `---
apiVersion: policy.linkerd.io/v1alpha1
kind: AuthorizationPolicy
metadata: { name: open, namespace: shop }
spec: { targetRef: { group: policy.linkerd.io, kind: Server, name: web }, requiredAuthenticationRefs: [] }`
  const protocol = lookUp(
    server('web', '{ podSelector: {}, port: 8080, proxyProtocol: HTTP/3, accessPolicy: audit }') + open,
  )
  t.match(protocol, { protocol: 'detect', allows: [], routes: [EVERYTHING] }, 'an unknown protocol: nobody')
  t.match(protocol.problems, [
    /^Server shop\/web: spec.proxyProtocol: "HTTP\/3" is not unknown, HTTP\/1, .*; its port denies everything/,
  ])
  const access = lookUp(server('web', '{ podSelector: {}, port: 8080, accessPolicy: everybody }') + open)
  t.same(
    access.allows,
    ['policy.linkerd.io authorizationpolicy open: anyone'],
    'an unknown access policy: nobody but whom policies name',
  )
  t.match(access.problems, [/^Server shop\/web: spec.accessPolicy: "everybody" is not deny, .*; it means deny/])
  const fields = lookUp(server('web', '{ podSelector: {}, port: 8080, accessPolicy: audit, tier: gold }'))
  t.match(fields.allows, ['default audit: anyone'], 'an unknown field: used')
  t.match(fields.problems, [/^Server shop\/web: spec.tier: this version does not know the field/])
})

test('machines have defaults and no health checks', async (t) => {
  const workload = '{"ns":"shop","external_workload":"vm"}'
  t.match(lookUp(vm, { workload, config: { inboundPolicy: 'deny' } }), {
    server: 'default deny',
    protocol: 'detect',
    allows: [],
    routes: [EVERYTHING],
  })
  const annotated = vm.replace(
    'labels:',
    'annotations: { config.linkerd.io/default-inbound-policy: all-authenticated, config.linkerd.io/opaque-ports: http }, labels:',
  )
  t.match(lookUp(annotated, { workload }), { server: 'default all-authenticated', protocol: 'opaque' })
})
