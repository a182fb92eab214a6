/** Traffic annotations at random: settings in their ranges or one sentence for each group that is dropped. No throw. */
import { ok } from 'node:assert/strict'
import { TrafficPolicy } from '../../../api/vocabulary.ts'
import { mutateText, oddNumber, pick, several } from '../../../test/fuzz/draw.ts'
import { fuzzer, type Random } from '../../../test/fuzz/fuzzer.ts'
import { trafficSettings } from './annotations.ts'

type Input = readonly (readonly [key: string, value: string])[]

const KEYS = Object.values(TrafficPolicy)
const VALUES = [
  '',
  '0',
  '1',
  '5xx',
  'gateway-error',
  '500-503',
  '503-500',
  '5xx,404',
  '99',
  '10s',
  '0s',
  '300ms',
  '-1s',
  '1e3s',
  '9'.repeat(20),
  '1.5',
  '0.5',
  '.5',
  '100',
  '1e2',
  'true',
  'false',
  'yes',
  'consecutive',
  'unified',
  'x'.repeat(1_000),
  ' 1',
  '\u0661',
]

export const annotationsFuzzer = fuzzer<Input>({
  name: 'annotations',
  checks: 'traffic annotations: settings within their ranges, or a sentence that names the annotation; no throw',
  cases: 3_000,
  generate: (random) => several(random, 8, () => annotation(random)),
  mutate: (random, input) => [
    ...input.map(([key, value]) => [key, mutateText(random, value, VALUES, 1, 200)] as const),
    annotation(random),
  ],
  run(input) {
    const { settings, problems } = trafficSettings(Object.fromEntries(input))
    for (const problem of problems) {
      ok(/^annotation \S+: "[\s\S]*" is not .+; the settings of this group are not applied$/.test(problem), problem)
      ok(problem.length < 500, 'a sentence of bounded length')
    }
    checkNumbers(settings, 'settings')
  },
})

function annotation(random: Random): readonly [string, string] {
  return [
    pick(random, KEYS),
    random() < 0.7 ? pick(random, VALUES) : `${oddNumber(random)}${pick(random, ['', 's', 'ms'])}`,
  ]
}

function checkNumbers(value: unknown, path: string): void {
  if (typeof value === 'number')
    ok(Number.isFinite(value) && value >= 0 && value <= Number.MAX_SAFE_INTEGER, `${path} is ${value}`)
  else if (typeof value === 'object' && value !== null)
    for (const [key, member] of Object.entries(value)) checkNumbers(member, `${path}.${key}`)
}
