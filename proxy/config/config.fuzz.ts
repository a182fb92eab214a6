/** The environment at random: a configuration whose values are in range, or problems that name their variable. No throw. */
import { ok } from 'node:assert/strict'
import { mutateText, oddNumber, pick, several } from '../../test/fuzz/draw.ts'
import { fuzzer, type Random } from '../../test/fuzz/fuzzer.ts'
import { readConfig } from './config.ts'

type Input = readonly (readonly [name: string, value: string])[]

/** Names that are read, found by asking with nothing set: the reader reads its variables through this object. */
const NAMES = namesRead()
const VALUES = [
  '',
  ' ',
  '0',
  '1',
  '-1',
  '65535',
  '65536',
  '10s',
  '300ms',
  '0s',
  '9999999999d',
  '0.5',
  '1.5',
  '.5',
  'true',
  'TRUE',
  'no',
  '0.0.0.0:4143',
  '[::]:4143',
  '127.0.0.1:0',
  '10.0.0.0/8',
  '10.0.0.0/8,fd00::/8',
  '10.0.0.1,10.0.0.2',
  '25,587,3000-3999',
  'all-unauthenticated',
  'deny',
  'cluster-authenticated',
  'audit',
  'svc.cluster.local.',
  '.',
  'localhost.:8086',
  'linkerd-dst.linkerd.svc:8086',
  'warn,linkerd=info',
  'json',
  'plain',
  'apache',
  '/var/run/x',
  '{"ns":"shop"}',
  'é',
  '\0',
  'x'.repeat(5_000),
]

export const environmentFuzzer = fuzzer<Input>({
  name: 'environment',
  checks: 'the environment of a proxy: values within their ranges, or sentences that begin with the variable; no throw',
  cases: 800,
  generate: (random) => several(random, 12, () => variable(random)),
  mutate: (random, input) => [
    ...input.map(
      ([name, value]) => [name, random() < 0.2 ? mutateText(random, value, VALUES, 1, 200) : value] as const,
    ),
    variable(random),
  ],
  run(input) {
    const result = readConfig(Object.fromEntries(input))
    if ('problems' in result) {
      ok(result.problems.length > 0)
      for (const problem of result.problems) ok(/^LINKERD2_PROXY_[A-Z0-9_]+: ./.test(problem), problem)
      return
    }
    checkNumbers(result.config, 'config')
  },
})

function variable(random: Random): readonly [string, string] {
  return [
    pick(random, NAMES),
    random() < 0.8 ? pick(random, VALUES) : `${oddNumber(random)}${pick(random, ['', 'ms', 's', 'd'])}`,
  ]
}

/** Everything that counts is a number that timers, sockets and loops can take. */
function checkNumbers(value: unknown, path: string): void {
  if (typeof value === 'number')
    ok(Number.isFinite(value) && value >= 0 && value <= Number.MAX_SAFE_INTEGER, `${path} is ${value}`)
  else if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
    for (const [key, member] of Object.entries(value)) checkNumbers(member, `${path}.${key}`)
  }
}

function namesRead(): string[] {
  const names = new Set<string>()
  const handler: ProxyHandler<Record<string, string>> = {
    get(_target, name) {
      if (typeof name === 'string') names.add(name)
      return undefined
    },
  }
  readConfig(new Proxy({}, handler))
  return [...names].filter((name) => name.startsWith('LINKERD2_PROXY_')).sort()
}
