/** What a proxy says of itself and asks for: authorities, service names, context tokens, workloads. Nothing throws. */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { mutateText, pick, textOf } from '../../test/fuzz/draw.ts'
import { fuzzer } from '../../test/fuzz/fuzzer.ts'
import { parseServiceAccountUser } from '../identity/token-reviewer.ts'
import { parseAuthority, parseServiceName } from './authority.ts'
import { parseContextToken, parseWorkload } from './caller.ts'

const STARTS = [
  'web.shop.svc.cluster.local:80',
  'web-0.web.shop.svc.cluster.local',
  '10.0.0.1:80',
  '[fd00::1]:443',
  'UPPER.svc.cluster.local',
  '{"ns":"shop","pod":"web-1"}',
  '{"ns":"shop","external_workload":"vm"}',
  'ns:shop',
  'shop:web-1',
  '{"ns":1}',
  '[]',
  'null',
  'system:serviceaccount:shop:web',
  '{"__proto__":{"ns":"x"},"pod":"a"}',
]
const PIECES = [
  '.',
  '..',
  ':',
  '::',
  '[',
  ']',
  '{',
  '}',
  '"',
  ',',
  'svc',
  '.svc.cluster.local',
  '0',
  '65536',
  ' ',
  '\n',
  '\0',
  'é',
  '__proto__',
  'constructor',
  '\\u0000',
  'x'.repeat(300),
]

export const controlNamesFuzzer = fuzzer<string>({
  name: 'control-names',
  checks:
    'authorities, service names, context tokens and workloads as clients send them: none throws, all are what they say',
  cases: 5_000,
  generate: (random) => (random() < 0.8 ? pick(random, STARTS) : textOf(random, 15, 300)),
  mutate: (random, text) => mutateText(random, text, PIECES, 3, 300),
  run(text) {
    const authority = parseAuthority(text)
    if (authority !== undefined) {
      ok(authority.port >= 1 && authority.port <= 65_535)
      ok(authority.host.length > 0 && authority.host.length <= 253 && authority.host === authority.host.toLowerCase())
      const again = authority.host.includes(':')
        ? `[${authority.host}]:${authority.port}`
        : `${authority.host}:${authority.port}`
      // One dot at the end is taken off; what has two is another name.
      if (!authority.host.endsWith('.')) deepEqual(parseAuthority(again), authority)
      const service = parseServiceName(authority.host, 'cluster.local')
      if (service !== undefined) {
        const { instance, name, namespace } = service
        equal(`${instance === undefined ? '' : `${instance}.`}${name}.${namespace}.svc.cluster.local`, authority.host)
      }
    }
    const caller = parseContextToken(text)
    for (const value of Object.values(caller)) equal(typeof value, 'string')
    const workload = parseWorkload(text)
    if (workload !== undefined)
      ok(typeof workload.namespace === 'string' && typeof workload.name === 'string' && workload.name !== '')
    const user = parseServiceAccountUser(text)
    if (user !== undefined) equal(`system:serviceaccount:${user.namespace}:${user.serviceAccount}`, text)
  },
})
