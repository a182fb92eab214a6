/** The harness's results as a table; `docs/threat-model.md` shows one. */
import { median } from '../statistics.ts'
import { compare, percentile, seededRandom } from './noise.ts'
import type { AttackResult, FleetResult, HostileResults, Round } from './results.ts'

export const LIMITS = { corePercent: 5, megabytes: 8, p99Ratio: 1.1, fleetAfterRatio: 1.2 } as const

/** Draws for the noise; any number will do, the same one gives the same page. */
const SEED = 1

export type Verdict = 'held' | 'over' | 'not told from noise'

export interface Figures {
  readonly attack: string
  /** Median of the rounds; `undefined` when the proxy closed it in none or hardly any of them. */
  readonly closedAfterSeconds: number | undefined
  readonly watchedSeconds: number
  readonly corePercent: number
  readonly megabytes: number
  readonly quietP99Ms: number
  readonly p99Ratio: number
  readonly quietLow: number
  readonly quietHigh: number
  readonly cost: Verdict
  readonly p99: Verdict
}

export function figuresOf({ attack, rounds }: AttackResult): Figures {
  const closed = rounds.map(({ closedAfterSeconds }) => closedAfterSeconds ?? Number.POSITIVE_INFINITY)
  const closedAfterSeconds = median(closed)
  const corePercent = Math.max(0, median(rounds.map(corePercentOf)))
  const megabytes = Math.max(0, median(rounds.map((round) => round.megabytes - round.quietMegabytes)))
  const quiet = rounds.flatMap(({ quietP99Ms }) => quietP99Ms)
  const attacked = rounds.flatMap(({ p99Ms }) => p99Ms)
  const { ratio, quietLow, quietHigh } = compare(attacked, quiet, seededRandom(SEED))
  const isOverLimit = ratio > LIMITS.p99Ratio
  return {
    attack,
    closedAfterSeconds: Number.isFinite(closedAfterSeconds) ? closedAfterSeconds : undefined,
    watchedSeconds: Math.max(...rounds.map(({ watchedSeconds }) => watchedSeconds)),
    corePercent,
    megabytes,
    quietP99Ms: median(quiet),
    p99Ratio: ratio,
    quietLow,
    quietHigh,
    cost: corePercent <= LIMITS.corePercent && megabytes <= LIMITS.megabytes ? 'held' : 'over',
    p99: !isOverLimit ? 'held' : ratio > quietHigh ? 'over' : 'not told from noise',
  }
}

/** What the connection cost beyond the ordinary traffic, as a share of one core over its life, which counts as a second at least. */
function corePercentOf({ cpuSeconds, quietCpuSeconds, watchedSeconds }: Round): number {
  return (100 * (cpuSeconds - quietCpuSeconds)) / watchedSeconds
}

export function isWithinLimits(result: AttackResult): boolean {
  const { cost, p99 } = figuresOf(result)
  return cost === 'held' && p99 !== 'over'
}

export function isFleetWithinLimits({ baseMb, peakMb, afterMb, boundMb }: FleetResult): boolean {
  return peakMb <= boundMb && afterMb <= baseMb * LIMITS.fleetAfterRatio
}

export function formatReport({ attacks, fleet }: Pick<HostileResults, 'attacks' | 'fleet'>): string {
  const lines: string[] = []
  if (attacks.length > 0) lines.push(...HEADING, ...attacks.map(row), '', summary(attacks))
  if (fleet !== undefined) lines.push(...(lines.length > 0 ? [''] : []), fleetSentence(fleet))
  return `${lines.join('\n')}\n`
}

const HEADING = [
  '| attack | counted as | closed after | % of a core | MB | cost | p99, ratio (quiet against quiet) | p99 |',
  '|---|---|---|---|---|---|---|---|',
]

function row(result: AttackResult): string {
  const figures = figuresOf(result)
  const { attack, closedAfterSeconds, watchedSeconds, corePercent, megabytes, cost, p99 } = figures
  const closed =
    closedAfterSeconds === undefined ? `open after ${watchedSeconds} s` : `${closedAfterSeconds.toFixed(2)} s`
  const reasons = result.reasons.map((reason) => `\`${reason}\``).join(', ')
  const ratio = `${figures.p99Ratio.toFixed(2)} (${figures.quietLow.toFixed(2)}–${figures.quietHigh.toFixed(2)})`
  const verdict = (text: Verdict): string => (text === 'over' ? '**over**' : text)
  const cells = [
    attack,
    reasons,
    closed,
    corePercent.toFixed(1),
    megabytes.toFixed(1),
    verdict(cost),
    ratio,
    verdict(p99),
  ]
  return `| ${cells.join(' | ')} |`
}

/** What single rows are too noisy for, all of them together tell. */
function summary(attacks: readonly AttackResult[]): string {
  const all = attacks.map(figuresOf)
  const ratios = all.map(({ p99Ratio }) => p99Ratio)
  const rounds = attacks.flatMap((attack) => attack.rounds)
  // Odd against even quiet windows of each attack.
  const quietRatios = attacks.map(({ rounds: own }) => {
    const [first, second] = [0, 1].map((n) => median(own.map(({ quietP99Ms }) => quietP99Ms[n]!)))
    return second! / first!
  })
  const count = (verdict: Verdict, of: 'cost' | 'p99'): number => all.filter((each) => each[of] === verdict).length
  const spread = (values: readonly number[]): string =>
    `${median(values).toFixed(2)} (nine of ten: ${percentile(values, 0.05).toFixed(2)} to ${percentile(values, 0.95).toFixed(2)})`
  const quiet = median(rounds.flatMap(({ quietP99Ms }) => quietP99Ms))
  return [
    `${attacks.length} attacks, ${attacks[0]!.rounds.length} rounds each: ${count('held', 'cost')} within 5 % of a core and 8 MB, ${count('over', 'cost')} over;`,
    `the p99 of the ordinary traffic within 10 % in ${count('held', 'p99')}, beyond it and beyond the noise in ${count('over', 'p99')}, not told from noise in ${count('not told from noise', 'p99')}.`,
    `Median of all ratios: ${spread(ratios)}; of second against first quiet windows: ${spread(quietRatios)}. The p99 without attack: ${quiet.toFixed(2)} ms.`,
  ].join('\n')
}

function fleetSentence(fleet: FleetResult): string {
  const { connections, openAtMost, dialled, baseMb, peakMb, afterMb, boundMb } = fleet
  const mb = (value: number): string => `${value.toFixed(1)} MB`
  const grouped = (value: number): string => value.toLocaleString('en-US')
  return [
    `${grouped(connections)} hostile connections (${grouped(openAtMost)} open at most, ${grouped(dialled)} dialled): ${mb(baseMb)} before,`,
    `${mb(peakMb)} at most (bound: ${mb(boundMb)}), ${mb(afterMb)} 60 s after their end: ${isFleetWithinLimits(fleet) ? 'held' : '**over**'}.`,
  ].join('\n')
}
