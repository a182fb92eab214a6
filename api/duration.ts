/**
 * Durations at the edges: protobuf messages, the proxy's own text grammar and Go's.
 *
 * Inside Weft a duration is a number of milliseconds whose name ends in `Ms`.
 */
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { type Duration, DurationSchema } from '@bufbuild/protobuf/wkt'

const MS_PER_UNIT = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
type Unit = keyof typeof MS_PER_UNIT

const MS_PER_GO_UNIT = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000, // both micro signs, as Go has them
} as const
type GoUnit = keyof typeof MS_PER_GO_UNIT

/** Go keeps nanoseconds in an int64; a longer duration does not parse there either. */
const MAX_GO_DURATION_MS = 2 ** 63 / 1e6

/** The protobuf form of `ms`. Negative durations mean nothing in this API, so they are our own bug. */
export function durationFromMs(ms: number): Duration {
  if (!(ms >= 0 && Number.isFinite(ms))) throw new RangeError(`${ms} ms is not a duration that can be sent`)
  let seconds = Math.floor(ms / 1_000)
  let nanos = Math.round((ms - seconds * 1_000) * 1e6)
  if (nanos === 1e9) {
    seconds += 1
    nanos = 0
  }
  return create(DurationSchema, { seconds: BigInt(seconds), nanos })
}

/** Milliseconds of a protobuf duration; `undefined` when it is negative or malformed, which the API never allows. */
export function msFromDuration(duration: MessageInitShape<typeof DurationSchema>): number | undefined {
  const seconds = duration.seconds ?? 0n
  const nanos = duration.nanos ?? 0
  if (seconds < 0n || nanos < 0 || nanos > 999_999_999) return undefined
  return Number(seconds) * 1_000 + nanos / 1e6
}

/**
 * Parses the grammar of the proxy's environment and of the policy annotations: one unsigned integer and a unit
 * (`300ms`, `10s`, `5m`, `1h`, `365d`), or a bare `0`.
 */
export function parseDurationMs(text: string): number | undefined {
  const [, count, unit] = /^\s*(\d+)(ms|s|m|h|d)?\s*$/.exec(text) ?? []
  if (count === undefined) return undefined
  const magnitude = Number(count)
  if (unit === undefined) return magnitude === 0 ? 0 : undefined
  const ms = magnitude * MS_PER_UNIT[unit as Unit]
  return Number.isSafeInteger(ms) ? ms : undefined
}

/** Parses a Go duration (`1m30s`, `1.5h`, `-2s`), the grammar of the injector's annotations. */
export function parseGoDurationMs(text: string): number | undefined {
  const [, sign, rest] = /^([-+]?)(.*)$/s.exec(text) ?? []
  if (rest === undefined) return undefined
  if (rest === '0') return 0
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(rest)) return undefined
  let ms = 0
  for (const [, count, unit] of rest.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    ms += Number(count) * MS_PER_GO_UNIT[unit as GoUnit]
  }
  if (ms >= MAX_GO_DURATION_MS) return undefined
  return sign === '-' ? -ms : ms
}

/** The shortest text of the proxy's grammar for a whole number of milliseconds: `1000` is `1s`. */
export function formatDurationMs(ms: number): string {
  if (!Number.isSafeInteger(ms) || ms < 0) throw new RangeError(`${ms} is not a whole number of milliseconds`)
  if (ms === 0) return '0s'
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    if (ms % MS_PER_UNIT[unit] === 0) return `${ms / MS_PER_UNIT[unit]}${unit}`
  }
  return `${ms}ms`
}
