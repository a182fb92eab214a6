/** Authorizations: whom a Server admits, by every kind of object that can say so. */
import { type Test, test } from 'tap'
import { lookUp } from './inbound-testing.ts'

const WEB = `---
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: { name: web, namespace: shop, labels: { tier: front } }
spec: { podSelector: {}, port: 8080 }
`
const object = (kind: string, name: string, spec: string, namespace = 'shop') => `---
apiVersion: policy.linkerd.io/${kind === 'ServerAuthorization' ? 'v1beta1' : 'v1alpha1'}
kind: ${kind}
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
`
const policy = (refs: string, target = '{ group: policy.linkerd.io, kind: Server, name: web }', name = 'p') =>
  object('AuthorizationPolicy', name, `{ targetRef: ${target}, requiredAuthenticationRefs: ${refs} }`)
const meshTls = (name: string, spec: string, namespace?: string) =>
  object('MeshTLSAuthentication', name, spec, namespace)
const network = (name: string, spec: string) => object('NetworkAuthentication', name, spec)
const authorization = (client: string, server = '{ name: web }') =>
  object('ServerAuthorization', 's', `{ server: ${server}, client: ${client} }`)

const ref = (kind: string, name: string, more = '') =>
  `{ group: policy.linkerd.io, kind: ${kind}, name: ${name}${more} }`
const account = (name: string, more = '') => `{ kind: ServiceAccount, name: ${name}${more} }`

const ID = (account: string, namespace = 'shop') =>
  `${account}.${namespace}.serviceaccount.identity.linkerd.cluster.local`
const CLUSTER = ' from 10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16, fd00::/8'
const P = 'policy.linkerd.io authorizationpolicy p'
const S = 'policy.linkerd.io serverauthorization s'

interface Case {
  readonly name: string
  readonly yaml: string
  readonly allows?: readonly string[]
  readonly problem?: RegExp
}

function run(t: Test, cases: readonly Case[]) {
  for (const { name, yaml, allows = [], problem } of cases) {
    const found = lookUp(WEB + yaml)
    t.same(found.allows, allows, name)
    t.equal(found.problems.length, problem === undefined ? 0 : 1, `${name}: problems`)
    if (problem !== undefined) t.match(found.problems[0], problem, name)
  }
}

test('AuthorizationPolicy: what it asks for', async (t) => {
  run(t, [
    { name: 'nothing', yaml: policy('[]'), allows: [`${P}: anyone`] },
    { name: 'a ServiceAccount', yaml: policy(`[${account('cart')}]`), allows: [`${P}: ${ID('cart')}`] },
    {
      name: 'a ServiceAccount of another namespace',
      yaml: policy(`[${account('cart', ', namespace: other')}]`),
      allows: [`${P}: ${ID('cart', 'other')}`],
    },
    {
      name: 'kinds and groups without case, core as a group',
      yaml: policy('[{ group: core, kind: serviceaccount, name: cart }]'),
      allows: [`${P}: ${ID('cart')}`],
    },
    {
      name: 'identities',
      yaml:
        policy(`[${ref('MeshTLSAuthentication', 'm')}]`) +
        meshTls(
          'm',
          '{ identities: [cart.example.org, "*.shop.example.org", "spiffe://example.org/ns/shop/sa/cart"] }',
        ),
      allows: [`${P}: cart.example.org, spiffe://example.org/ns/shop/sa/cart, *.shop.example.org`],
    },
    {
      name: 'every identity',
      yaml: policy(`[${ref('MeshTLSAuthentication', 'm')}]`) + meshTls('m', '{ identities: ["*"] }'),
      allows: [`${P}: *`],
    },
    {
      name: 'ServiceAccounts and Namespaces',
      yaml:
        policy(`[${ref('MeshTLSAuthentication', 'm')}]`) +
        meshTls('m', `{ identityRefs: [${account('cart')}, { kind: Namespace, name: ops }] }`),
      allows: [`${P}: ${ID('cart')}, *.ops.serviceaccount.identity.linkerd.cluster.local`],
    },
    {
      name: 'an authentication of another namespace, whose ServiceAccounts are its own',
      yaml:
        policy(`[${ref('MeshTLSAuthentication', 'm', ', namespace: other')}]`) +
        meshTls('m', `{ identityRefs: [${account('cart')}] }`, 'other'),
      allows: [`${P}: ${ID('cart', 'other')}`],
    },
    {
      name: 'networks, from which anyone may come',
      yaml:
        policy(`[${ref('NetworkAuthentication', 'n')}]`) +
        network('n', '{ networks: [{ cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.2.0.1] }, { cidr: 192.0.2.7 }] }'),
      allows: [`${P}: anyone from 10.0.0.0/8 but not 10.1.0.0/16 but not 10.2.0.1/32, 192.0.2.7/32`],
    },
    {
      name: 'both at once',
      yaml:
        policy(`[${ref('NetworkAuthentication', 'n')}, ${account('cart')}]`) +
        network('n', '{ networks: [{ cidr: "fd00::/8" }] }'),
      allows: [`${P}: ${ID('cart')} from fd00::/8`],
    },
  ])
})

test('AuthorizationPolicy: what is not understood, not there or contradictory grants nothing', async (t) => {
  const sentence = (what: string) =>
    new RegExp(
      `^AuthorizationPolicy shop/p: ${what.replaceAll(/[[\]()*.]/g, '\\$&')}.*; it grants nothing until that is corrected$`,
    )
  const REF = 'spec.requiredAuthenticationRefs'
  const m = `[${ref('MeshTLSAuthentication', 'm')}]`
  const cases: readonly (readonly [name: string, yaml: string, problem: string])[] = [
    ['a missing authentication', policy(m), `${REF}[0]: MeshTLSAuthentication shop/m does not exist`],
    [
      'missing networks',
      policy(`[${account('a')}, ${ref('NetworkAuthentication', 'n')}]`),
      `${REF}[1]: NetworkAuthentication shop/n does not exist`,
    ],
    [
      'two identities',
      policy(`[${account('a')}, ${account('b')}]`),
      `${REF}[1]: a second MeshTLSAuthentication or ServiceAccount`,
    ],
    [
      'two networks',
      policy(`[${ref('NetworkAuthentication', 'n')}, ${ref('NetworkAuthentication', 'n')}]`) +
        network('n', '{ networks: [{ cidr: 10.0.0.0/8 }] }'),
      `${REF}[1]: a second NetworkAuthentication`,
    ],
    [
      'another kind',
      policy(`[${ref('OidcAuthentication', 'o')}]`),
      `${REF}[0]: OidcAuthentication.policy.linkerd.io is no authentication`,
    ],
    [
      'a kind of another group',
      policy('[{ group: example.org, kind: MeshTLSAuthentication, name: m }]'),
      `${REF}[0]: MeshTLSAuthentication.example.org is no authentication`,
    ],
    [
      'a pattern as an account',
      policy('[{ kind: ServiceAccount, name: "*" }]'),
      `${REF}[0]: "shop/*" is not a ServiceAccount`,
    ],
    [
      'an identity in upper case',
      policy(m) + meshTls('m', '{ identities: [a.b, Cart.example.org] }'),
      `${REF}[0]: MeshTLSAuthentication shop/m: spec.identities: "Cart.example.org" is not an identity`,
    ],
    [
      'a star in the middle',
      policy(m) + meshTls('m', '{ identities: ["a.*.b"] }'),
      `${REF}[0]: MeshTLSAuthentication shop/m: spec.identities: "a.*.b"`,
    ],
    [
      'a SPIFFE id with dots',
      policy(m) + meshTls('m', '{ identities: ["spiffe://a/../b"] }'),
      `${REF}[0]: MeshTLSAuthentication shop/m: spec.identities: "spiffe://a/../b"`,
    ],
    [
      'a ref of another kind',
      policy(m) + meshTls('m', '{ identityRefs: [{ kind: Pod, name: a }] }'),
      `${REF}[0]: MeshTLSAuthentication shop/m: spec.identityRefs[0]: Pod has no identity`,
    ],
    [
      'a namespace in a namespace',
      policy(m) + meshTls('m', '{ identityRefs: [{ kind: Namespace, name: a, namespace: b }] }'),
      `${REF}[0]: MeshTLSAuthentication shop/m: spec.identityRefs[0]: a Namespace has no namespace`,
    ],
    [
      'a namespace that is a pattern',
      policy(m) + meshTls('m', '{ identityRefs: [{ kind: Namespace, name: "a.*" }] }'),
      `${REF}[0]: MeshTLSAuthentication shop/m: spec.identityRefs[0]: "a.*" is not a Namespace`,
    ],
    ['another target', policy('[]', '{ kind: Service, name: web }'), 'spec.targetRef: Service cannot be authorized'],
    [
      'another namespace',
      policy('[]', '{ kind: Namespace, name: other }'),
      'spec.targetRef: Namespace other is not its own',
    ],
  ]
  run(
    t,
    cases.map(([name, yaml, problem]) => ({ name, yaml, problem: sentence(problem) })),
  )
})

test('ServerAuthorization', async (t) => {
  const sentence = /^ServerAuthorization shop\/s: spec.client.*; it grants nothing until that is corrected$/
  run(t, [
    {
      name: 'anyone of the cluster',
      yaml: authorization('{ unauthenticated: true }'),
      allows: [`${S}: anyone${CLUSTER}`],
    },
    {
      name: 'anyone of a network',
      yaml: authorization('{ unauthenticated: true, networks: [{ cidr: 0.0.0.0/0, except: [10.0.0.0/8] }] }'),
      allows: [`${S}: anyone from 0.0.0.0/0 but not 10.0.0.0/8`],
    },
    { name: 'TLS', yaml: authorization('{ meshTLS: { unauthenticatedTLS: true } }'), allows: [`${S}: TLS${CLUSTER}`] },
    {
      name: 'identities and accounts',
      yaml: authorization(
        '{ meshTLS: { identities: ["*.ops", a.b], serviceAccounts: [{ name: cart }, { name: cart, namespace: other }] } }',
      ),
      allows: [`${S}: a.b, ${ID('cart')}, ${ID('cart', 'other')}, *.ops${CLUSTER}`],
    },
    {
      name: 'Servers by their labels',
      yaml: authorization('{ meshTLS: { identities: ["*"] } }', '{ selector: { matchLabels: { tier: front } } }'),
      allows: [`${S}: *${CLUSTER}`],
    },
    {
      name: 'Servers of other labels',
      yaml: authorization('{ unauthenticated: true }', '{ selector: { matchLabels: { tier: back } } }'),
    },
    { name: 'another Server', yaml: authorization('{ unauthenticated: true }', '{ name: db }') },
    { name: 'no clients', yaml: authorization('{ networks: [{ cidr: 10.0.0.0/8 }] }'), problem: sentence },
    { name: 'no identities', yaml: authorization('{ meshTLS: {} }'), problem: sentence },
    {
      name: 'all and some',
      yaml: authorization('{ unauthenticated: true, meshTLS: { identities: ["*"] } }'),
      problem: sentence,
    },
    {
      name: 'TLS and some',
      yaml: authorization('{ meshTLS: { unauthenticatedTLS: true, serviceAccounts: [{ name: a }] } }'),
      problem: sentence,
    },
    { name: 'no identity', yaml: authorization('{ meshTLS: { identities: [a_b] } }'), problem: sentence },
  ])
})

test('all that apply are alternatives, the closest first', async (t) => {
  const { allows } = lookUp(
    WEB.replace('port: 8080', 'port: 8080, accessPolicy: audit') +
      authorization('{ unauthenticated: true }') +
      policy('[]', '{ kind: Namespace, name: shop }', 'all') +
      policy(`[${account('a')}]`, undefined, 'a') +
      policy(`[${account('b')}]`, undefined, 'b'),
  )
  t.same(allows, [
    `${S}: anyone${CLUSTER}`,
    `policy.linkerd.io authorizationpolicy a: ${ID('a')}`,
    `policy.linkerd.io authorizationpolicy b: ${ID('b')}`,
    'policy.linkerd.io authorizationpolicy all: anyone',
    'default audit: anyone',
  ])
})

test('policies of a namespace do not apply where no Server is', async (t) => {
  const { server, allows } = lookUp(policy('[]', '{ kind: Namespace, name: shop }'), {
    config: { inboundPolicy: 'deny' },
  })
  t.match({ server, allows }, { server: 'default deny', allows: [] })
})

test('fields that this version does not know close what they stand in', async (t) => {
  const [web, grant] = [WEB, policy('[]')]
  const unknown = grant.replace('name: p,', 'name: p, unknownFields: [spec.expiresAt],')
  const { allows, problems } = lookUp(web + unknown)
  t.same(allows, [])
  t.match(problems, [/^AuthorizationPolicy shop\/p: spec.expiresAt: this version does not know the field; it grants/])
})
