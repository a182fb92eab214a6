/** What fuzzers of bytes draw besides `seededRandom`. */
export { seededRandom } from '../../api/seeded-random.ts'

/** A whole number from 0 to `below` - 1. */
export function below(random: () => number, limit: number): number {
  return Math.floor(random() * limit)
}

export function pick<T>(random: () => number, list: readonly T[]): T {
  return list[below(random, list.length)]!
}
