/** Results on disk, and the section of `docs/threat-model.md` that is made from them. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ATTACKS, keyOf } from './attacks.ts'
import { withMeasured } from './page.ts'
import type { HostileResults } from './results.ts'

export const RESULTS_FILE = join(import.meta.dirname, 'results.json')
export const PAGE_FILE = join(import.meta.dirname, '..', '..', 'docs', 'threat-model.md')

export function readResults(file: string): HostileResults {
  return JSON.parse(readFileSync(file, 'utf8')) as HostileResults
}

/** Results of this run over those of earlier ones in the same file, so that attacks can be measured in several runs. */
export function addResults(file: string, { machine, attacks, fleet }: HostileResults): void {
  const before = existsSync(file) ? readResults(file) : undefined
  const known = new Map([...(before?.attacks ?? []), ...attacks].map((result) => [result.attack, result]))
  const ordered = ATTACKS.map((attack) => known.get(keyOf(attack))).filter((result) => result !== undefined)
  const results: HostileResults = { machine, attacks: ordered, fleet: fleet ?? before?.fleet }
  // A round is a line: figures in files of thousands of lines are read by nobody.
  writeFileSync(
    file,
    `${JSON.stringify(results, rounded, 1)
      .replaceAll(/\n {4,}/g, ' ')
      .replaceAll(/\n {3}(?=[\]}])/g, ' ')}\n`,
  )
}

function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Math.round(value * 10_000) / 10_000 : value
}

export function writePage(results: HostileResults): void {
  writeFileSync(PAGE_FILE, withMeasured(readFileSync(PAGE_FILE, 'utf8'), results))
}
