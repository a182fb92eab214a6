import { test } from 'tap'
import { formatProblem, parseManifests } from './manifests.ts'

const web = `apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec:
  selector: { app: web }
  ports:
    - port: 80
      targetPort: http
`
const deployment = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      containers:
        - name: web
          command: [node, web.js]
          ports: [{ name: http, containerPort: 8080 }]
          readinessProbe: { httpGet: { path: /ready, port: http } }
`
const profile = (spec: string) => `apiVersion: linkerd.io/v1alpha2
kind: ServiceProfile
metadata: { name: web.shop.svc.cluster.local, namespace: shop }
spec:
${spec.replace(/^/gm, '  ')}
`

function problemsOf(text: string): string[] {
  return parseManifests(text, 'a.yaml').problems.map(formatProblem)
}

test('a good manifest becomes objects with their defaults', async (t) => {
  const { objects, problems } = parseManifests(`${web}---\n${deployment}`, 'a.yaml')
  t.same(problems, [])
  const [service, workload] = objects
  t.match(service, {
    kind: 'Service',
    spec: { type: 'ClusterIP', ports: [{ name: '', protocol: 'TCP', port: 80, targetPort: 'http' }] },
  })
  t.match(workload, {
    spec: {
      template: { spec: { serviceAccountName: 'default', containers: [{ readinessProbe: { periodSeconds: 10 } }] } },
    },
  })
})

test('every problem names file, line, object, field and a remedy', async (t) => {
  const cases = [
    {
      name: 'a port out of range',
      text: web.replace('80', '70000'),
      says: 'a.yaml:7: Service shop/web: spec.ports[0].port: 70000 is not a port (1 to 65535)',
    },
    {
      name: 'an unknown kind is refused by name',
      text: web.replace('kind: Service', 'kind: StatefulSet'),
      says: /^a\.yaml:2: StatefulSet shop\/web: kind: "StatefulSet" is not supported; supported are Namespace,/,
    },
    {
      name: 'the apiVersion belongs to the kind',
      text: deployment.replace('apps/v1', 'extensions/v1beta1'),
      says: 'a.yaml:1: Deployment shop/web: apiVersion: is "extensions/v1beta1"; a Deployment has apps/v1',
    },
    { name: 'text that is not YAML', text: 'a: [1', says: /^a\.yaml:1: this is not YAML: / },
    { name: 'text that is no object', text: 'hello', says: 'a.yaml:1: expected a Kubernetes object, found "hello"' },
    {
      name: 'a missing field',
      text: web.replace('    - port: 80\n', '    -\n'),
      says: 'a.yaml:8: Service shop/web: spec.ports[0].port: is missing; add it',
    },
    {
      name: 'the same object twice in one file',
      text: `${web}---\n${web}`,
      says: 'a.yaml:12: Service shop/web: metadata.name: is defined in line 1 already; rename or remove one of the two',
    },
    {
      name: 'a selector that misses its template',
      text: deployment.replace('matchLabels: { app: web }', 'matchLabels: { app: other }'),
      says: 'a.yaml:8: Deployment shop/web: spec.selector: does not match spec.template.metadata.labels; make the two equal',
    },
    {
      name: 'a probe of a port without that name',
      text: deployment.replace('path: /ready, port: http', 'path: /ready, port: web'),
      says: 'a.yaml:16: Deployment shop/web: spec.template.spec.containers[0].readinessProbe: no port of container web is called web; add it to its ports',
    },
    {
      name: 'a number where a string belongs',
      text: deployment.replace('command: [node, web.js]', 'env: [{ name: PORT, value: 8080 }]'),
      says: 'a.yaml:14: Deployment shop/web: spec.template.spec.containers[0].env[0].value: expected a string, found 8080; put it in quotes',
    },
  ]
  for (const { name, text, says } of cases) {
    const [first = '', ...rest] = problemsOf(text)
    if (typeof says === 'string') t.equal(first, says, name)
    else t.match(first, says, name)
    t.same(rest, [], `${name}: one sentence`)
  }
})

test('all problems of a file come in one round', async (t) => {
  t.equal(problemsOf(`${web.replace('80', '0')}---\n${deployment.replace('replicas: 2', 'replicas: -1')}`).length, 2)
})

test('unknown fields of workloads are noted once, those of a profile refused', async (t) => {
  const { notes, problems } = parseManifests(deployment.replace('replicas: 2', 'replicas: 2\n  strategy: {}'), 'a.yaml')
  t.same(problems, [])
  t.same(notes.map(formatProblem), ['a.yaml:8: Deployment shop/web: spec.strategy: is not used here and ignored'])
})

test('ServiceProfile', async (t) => {
  const route = (fields: string) => `routes:\n  - name: r\n    condition: { pathRegex: /a }\n    ${fields}`
  const cases = [
    {
      name: 'a whole profile',
      spec: `${route('isRetryable: true\n    timeout: 300ms\n    responseClasses: [{ condition: { status: { min: 500, max: 599 } }, isFailure: true }]')}\nretryBudget: { retryRatio: 0.2, minRetriesPerSecond: 10, ttl: 10s }`,
      says: undefined,
    },
    {
      name: 'nested conditions',
      spec: 'routes: [{ name: r, condition: { all: [{ method: GET }, { not: { pathRegex: /b } }] } }]',
      says: undefined,
    },
    {
      name: 'a bad regular expression',
      spec: 'routes: [{ name: r, condition: { pathRegex: "/a(" } }]',
      says: /pathRegex: "\/a\(" is not a regular expression: unterminated group/,
    },
    {
      name: 'look-around',
      spec: 'routes: [{ name: r, condition: { pathRegex: "/a(?=b)" } }]',
      says: /look-around and the like are not supported/,
    },
    {
      name: 'what only a backtracking engine could run',
      spec: 'routes: [{ name: r, condition: { pathRegex: "/(a)\\\\1" } }]',
      says: /pathRegex: "\/\(a\).*1" is not a regular expression: "\\1" is not supported/,
    },
    {
      name: 'an unknown condition',
      spec: 'routes: [{ name: r, condition: { path: /a } }]',
      says: /condition\.path: is not a known field; known here are pathRegex, method, all, any, not/,
    },
    {
      name: 'an empty condition',
      spec: 'routes: [{ name: r, condition: {} }]',
      says: /condition: is empty; give pathRegex, method, all, any or not/,
    },
    {
      name: 'a nested empty condition',
      spec: 'routes: [{ name: r, condition: { not: {} } }]',
      says: /condition\.not: is empty/,
    },
    {
      name: 'a bad timeout',
      spec: route('timeout: 10 seconds'),
      says: /timeout: "10 seconds" is not a duration such as 300ms/,
    },
    { name: 'a misspelt field', spec: route('retryable: true'), says: /retryable: is not a known field/ },
    {
      name: 'status out of range',
      spec: route('responseClasses: [{ condition: { status: { min: 600 } } }]'),
      says: /status\.min: 600 is not an HTTP status \(100 to 599\)/,
    },
    {
      name: 'status upside down',
      spec: route('responseClasses: [{ condition: { status: { min: 500, max: 400 } } }]'),
      says: /max: 400 is below min 500/,
    },
    {
      name: 'a budget whose ttl the proxy would drop',
      spec: 'retryBudget: { retryRatio: 0.2, minRetriesPerSecond: 1, ttl: 2m }',
      says: /ttl: 2m is outside 1s to 60s/,
    },
    {
      name: 'a negative ratio',
      spec: 'retryBudget: { retryRatio: -1, minRetriesPerSecond: 1, ttl: 10s }',
      says: /retryRatio: -1 is not a retry ratio/,
    },
    {
      name: 'a weight',
      spec: 'dstOverrides: [{ authority: "web-v2.shop.svc.cluster.local:80", weight: heavy }]',
      says: /weight: "heavy" is not a weight such as 1 or 500m/,
    },
  ]
  for (const { name, spec, says } of cases) {
    const problems = problemsOf(profile(spec))
    if (says === undefined) t.same(problems, [], name)
    else t.match(problems[0] ?? '(no problem)', says, name)
  }
  t.match(
    problemsOf(profile('routes: []').replace('web.shop.svc.cluster.local', 'web'))[0],
    /metadata\.name: "web" is not a service's full name/,
  )
})

test('a document that expands without end is refused', async (t) => {
  const bomb = [
    'a: &a [x,x,x,x,x,x,x,x,x]',
    ...'bcdefgh'.split('').map((key, i) => `${key}: &${key} [${Array(9).fill(`*${'abcdefg'[i]}`)}]`),
  ].join('\n')
  t.match(problemsOf(bomb)[0], /this is not YAML: Excessive alias count/)
})

test('a key called __proto__ is data like any other', async (t) => {
  const { objects } = parseManifests(
    'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\ndata: { __proto__: x }',
    'a.yaml',
  )
  t.equal(({} as { x?: string }).x, undefined)
  t.equal(objects.length, 1)
})
