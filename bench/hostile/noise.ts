/**
 * What can be told from windows of a noisy machine: the median of those with an attack against the median of those without,
 * and beside it what the same comparison gives between windows that are all without. Chance is an argument.
 */
import { median } from '../statistics.ts'

export interface Comparison {
  /** Median with over median without. */
  readonly ratio: number
  /** Nine of ten comparisons of quiet windows with quiet windows lie in here. */
  readonly quietLow: number
  readonly quietHigh: number
}

const DRAWS = 1_000

/** @param random gives numbers from 0 up to 1 */
export function compare(attacked: readonly number[], quiet: readonly number[], random: () => number): Comparison {
  const draw = (count: number): number =>
    median(Array.from({ length: count }, () => quiet[Math.floor(random() * quiet.length)]!))
  const ratios = Array.from({ length: DRAWS }, () => draw(attacked.length) / draw(quiet.length))
  return {
    ratio: median(attacked) / median(quiet),
    quietLow: percentile(ratios, 0.05),
    quietHigh: percentile(ratios, 0.95),
  }
}

/** Mulberry32: the same draws for the same results, so that a page can be made anew. */
export function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}
