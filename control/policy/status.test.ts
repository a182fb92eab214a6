/** The status of policy objects, and which proxies hold them, without any socket. */
import { test } from 'tap'
import { type Kind, kindOf, type Resource } from '../../api/resources/kinds.ts'
import { Cluster } from '../cluster/cluster.ts'
import { DEFAULT_CLUSTER_CONFIG } from '../cluster/config.ts'
import { policyObject, service } from '../cluster/fixtures.ts'
import { MemoryStore } from '../resources/store.ts'
import { Holders, holdingKey } from './holders.ts'
import { StatusWriter } from './status-writer.ts'

const object = (kind: Kind, name: string, spec: string, status?: object): Resource =>
  policyObject(kind, name, spec, status && { status })

function setUp(objects: readonly Resource[], settleMs = 0) {
  const store = new MemoryStore({ now: () => '2026-01-01T00:00:00Z' })
  store.apply(objects)
  const holders = new Holders(() => {})
  const written: string[] = []
  let nowMs = Date.parse('2026-02-01T00:00:00Z')
  const writer = new StatusWriter({
    cluster: new Cluster(store, DEFAULT_CLUSTER_CONFIG),
    holders,
    nowMs: () => nowMs,
    settleMs,
    write(written_, status) {
      written.push(written_.metadata.name)
      const { namespace, name } = written_.metadata
      store.applyStatus({ kind: kindOf(written_)!, namespace, name }, status)
    },
  })
  return {
    store,
    holders,
    written,
    refresh: () => writer.refresh(),
    pass: (ms: number) => {
      nowMs += ms
    },
    // biome-ignore lint/suspicious/noExplicitAny: a wrong path fails the test
    status: (kind: Kind, name: string): any => (store.get(kind, 'shop', name) as { status?: unknown }).status,
  }
}

const WEB = service({ name: 'web', clusterIP: '10.96.0.1' })
const PARENT = 'parentRefs: [{ name: web, kind: Service, group: "" }]'
/** `Accepted=True/Accepted`, as short as can be. */
const short = (conditions: readonly { type: string; status: string; reason: string }[]) =>
  conditions.map(({ type, status, reason }) => `${type}=${status}/${reason}`)

test('the status of routes', async (t) => {
  const cases: readonly {
    name: string
    kind?: Kind
    spec: string
    more?: Resource[]
    says: string[]
    message?: RegExp
  }[] = [
    {
      name: 'accepted',
      spec: `{ ${PARENT} }`,
      says: ['Accepted=True/Accepted', 'ResolvedRefs=True/ResolvedRefs', 'weft.dev/Programmed=True/Programmed'],
    },
    {
      name: 'no such parent',
      spec: '{ parentRefs: [{ name: gone, kind: Service, group: "" }] }',
      says: [
        'Accepted=False/NoMatchingParent',
        'ResolvedRefs=True/ResolvedRefs',
        'weft.dev/Programmed=False/NotAccepted',
      ],
      message: /^there is no Service shop\/gone$/,
    },
    {
      name: 'a headless parent',
      spec: '{ parentRefs: [{ name: bare, kind: Service, group: "" }] }',
      more: [service({ name: 'bare', clusterIP: 'None' })],
      says: [
        'Accepted=False/NoMatchingParent',
        'ResolvedRefs=True/ResolvedRefs',
        'weft.dev/Programmed=False/NotAccepted',
      ],
      message: /^parent service must have a ClusterIP$/,
    },
    {
      name: 'a route of a higher kind',
      spec: `{ ${PARENT} }`,
      more: [object('GRPCRoute', 'grpc', `{ ${PARENT} }`)],
      says: [
        'Accepted=False/RouteReasonConflicted',
        'ResolvedRefs=True/ResolvedRefs',
        'weft.dev/Programmed=False/NotAccepted',
      ],
      message: /^GRPCRoute shop\/grpc has the same parent and port/,
    },
    {
      name: 'a missing backend',
      spec: `{ ${PARENT}, rules: [{ backendRefs: [{ name: gone, port: 80 }] }] }`,
      says: ['Accepted=True/Accepted', 'ResolvedRefs=False/BackendNotFound', 'weft.dev/Programmed=True/Programmed'],
    },
    {
      name: 'a backend of another kind',
      spec: `{ ${PARENT}, rules: [{ backendRefs: [{ name: web, kind: Bucket, group: a.b }] }] }`,
      says: ['Accepted=True/Accepted', 'ResolvedRefs=False/InvalidKind', 'weft.dev/Programmed=True/Programmed'],
    },
    {
      name: 'a filter that is not known',
      spec: `{ ${PARENT}, rules: [{ filters: [{ type: Teleport }] }] }`,
      says: [
        'Accepted=True/Accepted',
        'ResolvedRefs=True/ResolvedRefs',
        'PartiallyInvalid=True/UnsupportedValue',
        'weft.dev/Programmed=True/Programmed',
      ],
    },
    {
      name: 'a Server as parent',
      spec: '{ parentRefs: [{ name: srv, kind: Server, group: policy.linkerd.io }] }',
      more: [object('Server', 'srv', '{ podSelector: {}, port: 80 }')],
      says: ['Accepted=True/Accepted', 'weft.dev/Programmed=True/Programmed'],
    },
  ]
  for (const { name, kind = 'HTTPRoute', spec, more = [], says, message } of cases) {
    const { refresh, status } = setUp([WEB, object(kind, 'r', spec), ...more])
    refresh()
    const [parent] = status(kind, 'r').parents
    t.same(short(parent.conditions), says, name)
    t.equal(parent.controllerName, 'linkerd.io/policy-controller', name)
    for (const { observedGeneration } of parent.conditions) t.equal(observedGeneration, 1, name)
    if (message !== undefined) t.match(parent.conditions[0].message, message, name)
  }
})

test('other controllers and other parents are left alone', async (t) => {
  const gateway = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'edge' }
  const foreign = { parentRef: gateway, controllerName: 'example.org/edge', conditions: [] }
  const parents = '{ parentRefs: [{ name: edge }, { name: web, kind: Service, group: "", port: 80 }] }'
  const { refresh, status, written } = setUp([
    WEB,
    object('HTTPRoute', 'both', parents, { parents: [foreign] }),
    object('HTTPRoute', 'theirs', '{ parentRefs: [{ name: edge }] }', { parents: [foreign] }),
  ])
  refresh()
  t.same(written, ['both'])
  t.match(status('HTTPRoute', 'both').parents, [
    foreign,
    { parentRef: { group: 'core', kind: 'Service', name: 'web', namespace: 'shop', port: 80 } },
  ])
})

test('EgressNetworks', async (t) => {
  const { refresh, status } = setUp([
    object('EgressNetwork', 'all', '{ trafficPolicy: Allow }'),
    object('EgressNetwork', 'inside', '{ trafficPolicy: Allow, networks: [{ cidr: 10.1.0.0/16 }] }'),
  ])
  refresh()
  t.match(short(status('EgressNetwork', 'all').conditions), ['Accepted=True/Accepted'])
  t.match(short(status('EgressNetwork', 'inside').conditions), ['Accepted=False/EgressReasonNetworkOverlap'])
})

test('a condition keeps its time while it stays as it is, and nothing is written twice', async (t) => {
  const { refresh, status, store, written, pass } = setUp([object('HTTPRoute', 'r', `{ ${PARENT} }`)])
  refresh()
  const accepted = () => status('HTTPRoute', 'r').parents[0].conditions[0]
  t.match(accepted(), { status: 'False', lastTransitionTime: '2026-02-01T00:00:00.000Z' })
  pass(60_000)
  refresh()
  t.same(written, ['r'])
  store.apply([WEB])
  refresh()
  t.match(accepted(), { status: 'True', lastTransitionTime: '2026-02-01T00:01:00.000Z' })
  store.apply([object('HTTPRoute', 'r', `{ ${PARENT}, hostnames: [a.example] }`)])
  t.ok(status('HTTPRoute', 'r'), 'who writes the object again does not take its status')
  refresh()
  t.match(accepted(), { observedGeneration: 2, lastTransitionTime: '2026-02-01T00:01:00.000Z' })
})

test('how many proxies hold a generation', async (t) => {
  const { refresh, status, holders, store, written, pass } = setUp([WEB, object('HTTPRoute', 'r', `{ ${PARENT} }`)])
  const policy = (generation: number) => ({
    routes: [
      {
        origin: {
          kind: 'resource',
          resource: { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: '', name: 'r', generation },
        },
      },
    ],
  })
  let wanted: object = policy(1)
  const [a, b] = ['a', 'b'].map((pod) => holders.open(pod, 'shop', () => wanted))
  const second = holders.open('a', 'shop', () => wanted)
  const programmed = () => {
    pass(10_000)
    refresh()
    const [{ conditions }] = status('HTTPRoute', 'r').parents
    const { status: holds, reason, message } = conditions.at(-1)
    return `${holds} ${reason}: ${message}`
  }
  t.equal(programmed(), 'False Pending: 0 of 2 connected proxies that use it hold generation 1')
  a!.sent(wanted)
  t.equal(programmed(), 'False Pending: 0 of 2 connected proxies that use it hold generation 1', 'one of two streams')
  second.sent(wanted)
  t.equal(programmed(), 'False Pending: 1 of 2 connected proxies that use it hold generation 1')
  b!.sent(wanted)
  t.equal(programmed(), 'True Programmed: 2 of 2 connected proxies that use it hold generation 1')
  store.apply([object('HTTPRoute', 'r', `{ ${PARENT}, hostnames: [a.example] }`)])
  wanted = policy(2)
  t.equal(programmed(), 'False Pending: 0 of 2 connected proxies that use it hold generation 2')
  for (const holder of [a!, b!, second]) holder.sent(wanted)
  t.equal(programmed(), 'True Programmed: 2 of 2 connected proxies that use it hold generation 2')
  const before = written.length
  b!.close()
  refresh()
  t.equal(written.length, before, 'a count alone waits')
  t.equal(programmed(), 'True Programmed: 1 of 1 connected proxies that use it hold generation 2')
  a!.close()
  second.close()
  t.equal(programmed(), 'True Programmed: no connected proxy uses it')
  t.equal(
    holdingKey({ group: 'core', kind: 'Service', namespace: 'a', name: 'b', generation: 3 }),
    'Service.core a/b 3',
  )
})

test('just after a start nothing is programmed that could still come back otherwise', async (t) => {
  const { refresh, status, holders, pass } = setUp([WEB, object('HTTPRoute', 'r', `{ ${PARENT} }`)], 60_000)
  const resource = { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: '', name: 'r', generation: 1 }
  const policy = { routes: [{ origin: { kind: 'resource', resource } }] }
  const programmed = () => {
    refresh()
    const { status: holds, reason, message } = status('HTTPRoute', 'r').parents[0].conditions.at(-1)
    return `${holds} ${reason}: ${message}`
  }
  const later = 'the control plane has just started, and others may still be on their way back'
  t.equal(programmed(), `Unknown Pending: no connected proxy uses it; ${later}`)
  const holder = holders.open('a', 'shop', () => policy)
  pass(10_000)
  t.equal(programmed(), 'False Pending: 0 of 1 connected proxies that use it hold generation 1')
  holder.sent(policy)
  pass(49_999)
  t.equal(programmed(), `Unknown Pending: 1 of 1 connected proxies that use it hold generation 1; ${later}`)
  pass(1)
  t.equal(programmed(), 'True Programmed: 1 of 1 connected proxies that use it hold generation 1')
})

test('what was programmed before a restart is not claimed to be until proxies are back', async (t) => {
  const { refresh, status, store } = setUp([WEB, object('HTTPRoute', 'r', `{ ${PARENT} }`)])
  refresh()
  t.equal(status('HTTPRoute', 'r').parents[0].conditions.at(-1).status, 'True')
  const again = new StatusWriter({
    cluster: new Cluster(store, DEFAULT_CLUSTER_CONFIG),
    holders: new Holders(() => {}),
    nowMs: () => Date.parse('2026-02-01T00:00:10Z'),
    settleMs: 60_000,
    write: (_, written) => store.applyStatus({ kind: 'HTTPRoute', namespace: 'shop', name: 'r' }, written),
  })
  again.refresh()
  t.equal(status('HTTPRoute', 'r').parents[0].conditions.at(-1).status, 'Unknown')
})
