/**
 * DNS answers for the control plane, of any content: addresses that exist and are bounded, or one sentence. A replica's
 * address is the one in its first label.
 */
import { ok } from 'node:assert/strict'
import { parseIp } from '../../api/ip.ts'
import { below, mutateText, oddNumber, pick, several } from '../../test/fuzz/draw.ts'
import { fuzzer, type Random } from '../../test/fuzz/fuzzer.ts'
import { parseTarget, resolveTarget } from './resolve.ts'

type Input = {
  readonly target: string
  readonly srv: readonly (readonly [name: string, port: number])[]
  readonly ips: readonly string[]
  readonly failing: number
}

const NAMES = [
  '10-1-2-3.linkerd-dst.svc.',
  'fd00--1.x',
  '10-1-2.x',
  '256-1-1-1.x',
  'a.b',
  '',
  '-.x',
  '--1.x',
  'fe80--1%eth0.x',
  '1-2-3-4',
]
const IPS = [
  '10.0.0.1',
  'fd00::1',
  '',
  '::1',
  '127.0.0.1',
  '10.0.0.256',
  'fe80::1%eth0',
  'localhost',
  '::ffff:10.0.0.1',
]
const TARGETS = [
  'linkerd-dst-headless.linkerd.svc.cluster.local.:8086',
  'localhost.:8086',
  'a:80',
  '10.0.0.1:80',
  '[::1]:80',
  '[fd00::1]:443',
]

export const dnsAnswersFuzzer = fuzzer<Input>({
  name: 'dns-answers',
  checks: 'DNS answers for the control plane: addresses that exist, at most 64, each from its record; or one sentence',
  cases: 1_500,
  generate: (random) => ({
    target: pick(random, TARGETS),
    srv: Array.from(
      { length: pick(random, [0, 0, 1, 3, 100]) },
      (_, at) => [name(random, at), pick(random, [8_086, 80, oddNumber(random) & 0xffff])] as const,
    ),
    ips: several(random, 4, () => pick(random, IPS)),
    failing: below(random, 16),
  }),
  mutate: (random, input) => ({
    ...input,
    target: mutateText(random, input.target, ['.', ':', '-', '[', ']', '0'], 1, 128),
    srv: input.srv.map(([label, port]) => [mutateText(random, label, NAMES, 1, 128), port] as const),
  }),
  run: check,
})

function name(random: Random, at: number): string {
  return random() < 0.7 ? pick(random, NAMES) : `10-0-${at}-${below(random, 256)}.dst.svc.`
}

async function check({ target, srv, ips, failing }: Input): Promise<void> {
  const parsed = parseTarget(target)
  if (parsed === undefined) return
  const answer = <T>(bit: number, found: readonly T[]): Promise<readonly T[]> =>
    (failing & bit) === 0
      ? Promise.resolve(found)
      : Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }))
  const lookup = {
    srv: () =>
      answer(
        1,
        srv.map(([label, port]) => ({ name: label, port: port & 0xffff })),
      ),
    a: () => answer(2, ips),
    aaaa: () => answer(4, ips),
    system: () => answer(8, ips),
  }
  let addresses: Awaited<ReturnType<typeof resolveTarget>>
  try {
    addresses = await resolveTarget(parsed, lookup)
  } catch (error) {
    ok(/does not resolve \(.*\); is the control plane installed there\?$/.test((error as Error).message), String(error))
    return
  }
  ok(addresses.length >= 1 && addresses.length <= 64, `${addresses.length} addresses`)
  for (const { ip, port } of addresses) {
    ok(parseIp(ip) !== undefined, `${ip} is an address`)
    ok(Number.isInteger(port) && port >= 1 && port <= 65_535, `port ${port}`)
  }
}
