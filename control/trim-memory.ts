/**
 * Gives back what the C library has free (malloc_trim(3)).
 *
 * For each read of a socket Node takes 64 KiB and returns what was not filled, so a change that 2,000 proxies acknowledge
 * leaves as many holes between a few bytes each: 230 MB that are free and that the system would not get back by itself.
 */
import { createRequire } from 'node:module'

/** A process that has grown by so much since the last time is trimmed again: a trim takes milliseconds, the first one 50. */
const GROWTH_BYTES = 16 * 1_048_576
const INTERVAL_MS = 1_000
/** And every so many intervals: holes open when garbage is collected, which is later than the growth. */
const INTERVALS = 10

/** @returns ends it */
export function trimMemory(): () => void {
  let trim: (() => void) | undefined
  let lowestBytes = process.memoryUsage.rss()
  let intervals = 0
  const timer = setInterval(() => {
    const bytes = process.memoryUsage.rss()
    const isDue = trim !== undefined && ++intervals % INTERVALS === 0
    if (isDue || bytes >= lowestBytes + GROWTH_BYTES) {
      trim ??= trimOfLibrary()
      trim()
      lowestBytes = process.memoryUsage.rss()
    } else lowestBytes = Math.min(lowestBytes, bytes)
  }, INTERVAL_MS).unref()
  return () => clearInterval(timer)
}

/** Loaded when it is needed first. C libraries without it (musl) keep no such holes. */
function trimOfLibrary(): () => void {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  try {
    const trim = koffi.load(null).func('int malloc_trim(size_t pad)')
    return () => void trim(0)
  } catch {
    return () => {}
  }
}
