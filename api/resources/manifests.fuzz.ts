/** Broken manifests: whatever is cut, repeated or exchanged, the answer is objects or sentences with a line, never a throw. */
import { ok } from 'node:assert/strict'
import { mutateText, pick } from '../../test/fuzz/draw.ts'
import { fuzzer } from '../../test/fuzz/fuzzer.ts'
import { formatProblem, parseManifests } from './manifests.ts'

const DOCUMENTS = [
  `apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop, labels: &l { a: b } }
spec:
  selector: *l
  ports: [{ name: http, port: 80, targetPort: http }]
`,
  `apiVersion: linkerd.io/v1alpha2
kind: ServiceProfile
metadata: { name: web.shop.svc.cluster.local, namespace: shop }
spec:
  routes:
    - { name: r, condition: { all: [{ method: GET }, { pathRegex: /a/\\d+ }] }, isRetryable: true, timeout: 300ms }
  retryBudget: { retryRatio: 0.2, minRetriesPerSecond: 10, ttl: 10s }
`,
  `apiVersion: v1
kind: Pod
metadata: { name: a }
spec: { containers: [{ name: main, command: [x], env: [{ name: A, value: "1" }], ports: [{ containerPort: 80 }] }] }
`,
  `apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop, annotations: { linkerd.io/inject: enabled } }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      volumes: [{ name: v, emptyDir: {} }]
      containers:
        - name: main
          image: x
          readinessProbe: { httpGet: { path: /, port: 80 }, periodSeconds: 1 }
          volumeMounts: [{ name: v, mountPath: /v }]
`,
  '{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}]}\n',
]
const PIECES = [
  '{',
  '}',
  '[',
  ']',
  ': ',
  '- ',
  '\n',
  '  ',
  '*l',
  '&l ',
  '"',
  "'",
  'null',
  '~',
  '70000',
  '-1',
  '1e99',
  '? ',
  '|',
  '>-',
  '%',
  '\t',
  '---\n',
  '...',
  '<<: *l',
  '!!binary x',
  '!!set',
  '__proto__: {}',
  'constructor',
  '0x10',
  '.inf',
  '\0',
  '\ufeff',
  'é',
  '\u2028',
  'true',
  'kind: Pod',
  'apiVersion: v2',
]

export const manifestsFuzzer = fuzzer<string>({
  name: 'manifests',
  checks: 'manifests cut and broken in YAML and JSON: objects, or sentences with file and line; no throw',
  cases: 300,
  generate: (random) => [pick(random, DOCUMENTS), pick(random, DOCUMENTS)].slice(random() < 0.5 ? 1 : 0).join('---\n'),
  mutate: (random, text) => mutateText(random, text, PIECES, 4, 128),
  run(text) {
    const { problems, notes } = parseManifests(text, 'fuzz.yaml')
    for (const problem of [...problems, ...notes]) {
      const sentence = formatProblem(problem)
      ok(/^fuzz\.yaml:\d+: [\s\S]/.test(sentence), `not a sentence with a place: ${sentence}`)
    }
  },
})
