/** The examples of docs/policy.md are taken as they stand: they parse, and the admission webhook would admit them. */
import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { formatProblem, parseManifests } from '../api/resources/manifests.ts'
import { admit, formatRefusal } from '../control/policy/admission/admit.ts'

const DOCUMENT = 'docs/policy.md'

test(`the manifests in ${DOCUMENT}`, async (t) => {
  const text = readFileSync(new URL(`../${DOCUMENT}`, import.meta.url), 'utf8')
  const examples = [...text.matchAll(/```yaml\n(.*?)```/gs)].map(([, yaml = '']) => yaml)
  t.ok(examples.length >= 5, 'examples were found')
  for (const [index, yaml] of examples.entries()) {
    const { objects, problems, notes } = parseManifests(yaml, `example ${index + 1}`)
    t.same([...problems, ...notes].map(formatProblem), [], `example ${index + 1} is understood`)
    for (const object of objects) t.same(admit(object).map(formatRefusal), [], `${object.kind} ${object.metadata.name}`)
  }
})
