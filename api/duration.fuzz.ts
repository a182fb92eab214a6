/** Durations in their two grammars, against readers that count in whole nanoseconds, and through text and back. */
import { equal, ok } from 'node:assert/strict'
import { mutateText, oddNumber, pick, several } from '../test/fuzz/draw.ts'
import { fuzzer } from '../test/fuzz/fuzzer.ts'
import { durationFromMs, formatDurationMs, msFromDuration, parseDurationMs, parseGoDurationMs } from './duration.ts'

const UNITS = ['ns', 'us', 'µs', 'μs', 'ms', 's', 'm', 'h', 'd', '']
const PIECES = [...UNITS, ' ', '.', '-', '+', '0', '9', '1.5', '\t', '\n', '_', 'e3', '9'.repeat(20), '\u0661']

export const durationFuzzer = fuzzer<string>({
  name: 'duration',
  checks:
    "durations: the proxy's grammar and Go's, against readers in whole nanoseconds; what is written is read again",
  cases: 5_000,
  generate: (random) =>
    `${pick(random, ['', '', '', '-', '+', ' '])}${several(random, 4, () => `${Math.max(0, oddNumber(random))}${pick(random, ['', '', '.5', '.', '.000000001'])}${pick(random, UNITS)}`).join('')}${pick(random, ['', '', ' ', '\n'])}`,
  mutate: (random, text) => mutateText(random, text, PIECES, 3, 128),
  run(text) {
    const ms = parseDurationMs(text)
    equal(ms, plainMs(text))
    if (ms !== undefined) {
      equal(parseDurationMs(formatDurationMs(ms)), ms)
      if (ms < 1e12) equal(msFromDuration(durationFromMs(ms)), ms)
    }
    const goMs = parseGoDurationMs(text)
    const nanos = goNanos(text)
    equal(goMs === undefined, nanos === undefined, `Go: ${nanos}, here: ${goMs}`)
    // Go cuts each part to whole nanoseconds, and a double loses a part in 10^15 of the largest.
    if (goMs !== undefined)
      ok(
        Math.abs(goMs - Number(nanos) / 1e6) <= 1e-6 * text.length + Math.abs(goMs) * 1e-14,
        `${goMs} is not ${nanos} ns`,
      )
  },
})

const MS_PER_UNIT = new Map([
  ['ms', 1n],
  ['s', 1_000n],
  ['m', 60_000n],
  ['h', 3_600_000n],
  ['d', 86_400_000n],
])

function plainMs(text: string): number | undefined {
  const trimmed = text.trim()
  let digits = 0
  while (digits < trimmed.length && trimmed[digits]! >= '0' && trimmed[digits]! <= '9') digits++
  if (digits === 0) return undefined
  const count = BigInt(trimmed.slice(0, digits))
  const unit = trimmed.slice(digits)
  if (unit === '') return count === 0n ? 0 : undefined
  const perUnit = MS_PER_UNIT.get(unit)
  if (perUnit === undefined) return undefined
  const ms = count * perUnit
  return ms <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(ms) : undefined
}

const NANOS_PER_UNIT = new Map([
  ['ns', 1n],
  ['us', 1_000n],
  ['µs', 1_000n],
  ['μs', 1_000n],
  ['ms', 1_000_000n],
  ['s', 10n ** 9n],
  ['m', 60n * 10n ** 9n],
  ['h', 3_600n * 10n ** 9n],
])

/** As Go's time.ParseDuration walks over the text, in its steps. */
function goNanos(text: string): bigint | undefined {
  let rest = text
  const isNegative = rest[0] === '-'
  if (isNegative || rest[0] === '+') rest = rest.slice(1)
  if (rest === '0') return 0n
  if (rest === '') return undefined
  let total = 0n
  while (rest !== '') {
    const whole = leadingDigits(rest)
    rest = rest.slice(whole.length)
    let fraction = ''
    if (rest[0] === '.') {
      fraction = leadingDigits(rest.slice(1))
      rest = rest.slice(1 + fraction.length)
    }
    if (whole === '' && fraction === '') return undefined
    let length = 0
    while (length < rest.length && rest[length] !== '.' && !(rest[length]! >= '0' && rest[length]! <= '9')) length++
    const perUnit = NANOS_PER_UNIT.get(rest.slice(0, length))
    if (perUnit === undefined) return undefined
    rest = rest.slice(length)
    total += BigInt(whole === '' ? '0' : whole) * perUnit
    if (fraction !== '') total += (BigInt(fraction) * perUnit) / 10n ** BigInt(fraction.length)
    if (total >= 2n ** 63n) return undefined
  }
  return isNegative ? -total : total
}

function leadingDigits(text: string): string {
  let length = 0
  while (length < text.length && text[length]! >= '0' && text[length]! <= '9') length++
  return text.slice(0, length)
}
