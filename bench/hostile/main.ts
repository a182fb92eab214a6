/**
 * The harness against hostile peers: two real sidecars with ordinary traffic at a fixed rate between them, and each attack
 * in turn from one connection. What the attacked proxy spends beyond the ordinary traffic is read from the kernel.
 *
 * `npm run hostile -- [--attack PART]… [--fleet] [--rounds N] [--json FILE] [--write] [--cpu-prof FOLDER]`; needs root, as
 * `npm run bench` does. `--write` puts the results into `docs/threat-model.md`, `--page` does so with those written last.
 */
import { parseArgs } from 'node:util'
import { machine } from '../machine.ts'
import { removePods, takeRunFolder } from '../pods.ts'
import { missingRequirement } from '../requirements.ts'
import type { Attack } from './attack-kinds.ts'
import { ATTACKS, keyOf } from './attacks.ts'
import { Bed } from './bed.ts'
import { measureAttack } from './measure-attack.ts'
import { measureFleet } from './measure-fleet.ts'
import { formatReport, isFleetWithinLimits, isWithinLimits } from './report.ts'
import type { AttackResult, HostileResults } from './results.ts'
import { addResults, PAGE_FILE, RESULTS_FILE, readResults, writePage } from './write.ts'

const OPTIONS = {
  attack: { type: 'string', multiple: true },
  fleet: { type: 'boolean', default: false },
  rounds: { type: 'string', default: '5' },
  json: { type: 'string' },
  write: { type: 'boolean', default: false },
  page: { type: 'boolean', default: false },
  'cpu-prof': { type: 'string' },
} as const

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS })
  if (values.page) return page()
  const wanted = values.attack ?? []
  const isFleetOnly = values.fleet && wanted.length === 0
  const attacks = isFleetOnly
    ? []
    : ATTACKS.filter((attack) => wanted.length === 0 || wanted.some((part) => keyOf(attack).includes(part)))
  const missing = missingRequirement()
  if (missing !== undefined) throw new Error(`hostile: ${missing}`)

  takeRunFolder()
  const bed = new Bed()
  const interrupted = new Promise<never>((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => reject(new Error(`hostile: ended by ${signal}`)))
  })
  try {
    await Promise.race([bed.open(values['cpu-prof']), interrupted])
    const measuring = measure(bed, attacks, Number(values.rounds), values.fleet)
    const results = await Promise.race([measuring, interrupted])
    process.stdout.write(formatReport(results))
    if (values.json !== undefined) addResults(values.json, results)
    if (values.write) {
      addResults(RESULTS_FILE, results)
      page()
    }
    const { fleet } = results
    return results.attacks.every(isWithinLimits) && (fleet === undefined || isFleetWithinLimits(fleet)) ? 0 : 1
  } finally {
    await bed.close()
    await removePods()
  }
}

async function measure(
  bed: Bed,
  attacks: readonly Attack[],
  rounds: number,
  withFleet: boolean,
): Promise<HostileResults> {
  const results: AttackResult[] = []
  const where = machine()
  for (const attack of attacks) {
    const result = await measureAttack(bed, attack, rounds)
    results.push(result)
    process.stderr.write(`${formatReport({ attacks: [result] }).split('\n')[2]}\n`)
  }
  return { machine: where, attacks: results, fleet: withFleet ? await measureFleet(bed) : undefined }
}

function page(): number {
  writePage(readResults(RESULTS_FILE))
  process.stdout.write(`${PAGE_FILE} is made from ${RESULTS_FILE}\n`)
  return 0
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = 1
}
