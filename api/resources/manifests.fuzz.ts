/** Broken manifests: whatever is cut, repeated or exchanged, the answer is objects or sentences with a line, never a throw. */
import { formatProblem, parseManifests } from './manifests.ts'

const SEED = `apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop, labels: &l { a: b } }
spec:
  selector: *l
  ports: [{ name: http, port: 80, targetPort: http }]
---
apiVersion: linkerd.io/v1alpha2
kind: ServiceProfile
metadata: { name: web.shop.svc.cluster.local, namespace: shop }
spec:
  routes:
    - { name: r, condition: { all: [{ method: GET }, { pathRegex: /a/\\d+ }] }, isRetryable: true, timeout: 300ms }
  retryBudget: { retryRatio: 0.2, minRetriesPerSecond: 10, ttl: 10s }
---
apiVersion: v1
kind: Pod
metadata: { name: a }
spec: { containers: [{ name: main, command: [x], env: [{ name: A, value: "1" }], ports: [{ containerPort: 80 }] }] }
`
const PIECES = [
  '{',
  '}',
  '[',
  ']',
  ': ',
  '- ',
  '\n',
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
  '%',
  '\t',
  '<<: *l',
  '!!binary x',
  '__proto__: {}',
]

export function fuzz(random: () => number, iterations: number): void {
  const below = (limit: number) => Math.floor(random() * limit)
  for (let count = 0; count < iterations; count++) {
    let text = SEED
    for (let edits = 1 + below(4); edits > 0; edits--) {
      const at = below(text.length)
      const cut = random() < 0.5 ? below(20) : 0
      text = text.slice(0, at) + (random() < 0.7 ? PIECES[below(PIECES.length)] : '') + text.slice(at + cut)
    }
    const { problems, notes } = parseManifests(text, 'fuzz.yaml')
    for (const problem of [...problems, ...notes]) {
      if (!/^fuzz\.yaml:\d+: ./.test(formatProblem(problem)))
        throw new Error(`not a sentence with a place: ${formatProblem(problem)}`)
    }
  }
}
