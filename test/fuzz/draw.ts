/** What fuzzers draw: numbers, members, texts, and texts and lists changed at random. */
import type { Random } from './fuzzer.ts'

/** A whole number from 0 to `limit` - 1. */
export function below(random: Random, limit: number): number {
  return Math.floor(random() * limit)
}

export function pick<T>(random: Random, list: readonly T[]): T {
  return list[below(random, list.length)]!
}

/** `make` called up to `most` times, rarely often. */
export function several<T>(random: Random, most: number, make: () => T): T[] {
  return Array.from({ length: below(random, 1 + below(random, most + 1)) }, make)
}

/** Text of `length` characters with codes below `limit`: bytes when that is 256. */
export function textOf(random: Random, length: number, limit = 256): string {
  let text = ''
  for (let at = 0; at < length; at++) text += String.fromCharCode(below(random, limit))
  return text
}

/** Numbers around which lengths and limits go wrong. */
export function oddNumber(random: Random): number {
  return pick(random, ODD) + pick(random, [-1, 0, 0, 1])
}
const ODD = [
  0,
  1,
  2,
  10,
  63,
  64,
  127,
  128,
  255,
  256,
  1_000,
  4_096,
  16_384,
  65_535,
  65_536,
  2 ** 24,
  2 ** 31,
  2 ** 32,
  2 ** 53,
]

/** `text` with up to `most` changes: a piece put in, characters taken out, exchanged or doubled, a part of itself copied. */
export function mutateText(random: Random, text: string, pieces: readonly string[], most = 4, limit = 256): string {
  let result = text
  for (let changes = 1 + below(random, most); changes > 0; changes--) {
    const at = below(random, result.length + 1)
    const some = at + 1 + below(random, pick(random, [1, 4, 16]))
    switch (below(random, 6)) {
      case 0:
      case 1:
        result = result.slice(0, at) + pick(random, pieces) + result.slice(at)
        break
      case 2:
        result = result.slice(0, at) + result.slice(some)
        break
      case 3:
        result = result.slice(0, at) + String.fromCharCode(below(random, limit)) + result.slice(at + 1)
        break
      case 4:
        result = result.slice(0, at) + pick(random, pieces) + result.slice(some)
        break
      default: {
        const from = below(random, result.length + 1)
        result = result.slice(0, at) + result.slice(from, from + below(random, 32)) + result.slice(at)
      }
    }
  }
  return result
}

/** `list` with up to `most` changes: members left out, doubled, exchanged, changed by `change`, or new ones from `make`. */
export function mutateList<T>(
  random: Random,
  list: readonly T[],
  make: () => T,
  change: (member: T) => T = make,
  most = 4,
): T[] {
  const result = [...list]
  for (let changes = 1 + below(random, most); changes > 0; changes--) {
    const at = below(random, result.length + 1)
    const other = below(random, result.length + 1)
    switch (below(random, 5)) {
      case 0:
        result.splice(at, 1 + below(random, 3))
        break
      case 1:
        result.splice(at, 0, make())
        break
      case 2:
        if (at < result.length) result[at] = change(result[at]!)
        break
      case 3:
        result.splice(at, 0, ...result.slice(other, other + 1 + below(random, 3)))
        break
      default:
        if (at < result.length && other < result.length) [result[at], result[other]] = [result[other]!, result[at]!]
    }
  }
  return result
}

/** Where to cut `length` bytes: offsets in ascending order, in one of several manners. The end is always one. */
export function cuts(random: Random, length: number): number[] {
  const step = pick(random, [1, 2, 7, 60, 1_000, Number.POSITIVE_INFINITY])
  const ends: number[] = []
  for (let at = 0; at < length; ) {
    at = Math.min(length, at + (step === 1 ? 1 : 1 + Math.floor(random() * Math.min(step, length))))
    ends.push(at)
  }
  return ends
}
