/**
 * The kinds of values that annotations carry: how each is read, what to call it where it is wrong, and how it is
 * written back. One entry per kind; which annotation has which kind is the table of `settings.ts`.
 */
import { parseGoDurationMs } from '../api/duration.ts'
import { parseCidr } from '../api/ip.ts'
import { formatPortSet, type PortSet, parsePortSet } from '../api/port-set.ts'

export interface ValueKind<Value> {
  /** `undefined` for text that is no such value. */
  parse(text: string): Value | undefined
  /** Completes "… is not". */
  readonly name: string
  format(value: Value): string
}

/** As Go's strconv.ParseBool reads it. */
export const boolean: ValueKind<boolean> = {
  parse(text) {
    if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true
    return ['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text) ? false : undefined
  },
  name: 'true or false',
  format: String,
}

/** A switch written as words. */
export const enabled: ValueKind<boolean> = {
  parse: (text) => (text === 'enabled' ? true : text === 'disabled' ? false : undefined),
  name: '"enabled" or "disabled"',
  format: (value) => (value ? 'enabled' : 'disabled'),
}

export const port: ValueKind<number> = integerKind(1, 65_535, 'a port from 1 to 65535')
/** Not 0: the proxy never runs as root, and the redirect rules would not exempt it. */
export const userId: ValueKind<number> = integerKind(1, 2 ** 31 - 1, 'a user id above 0')
/** -1 leaves the group to the image. */
export const groupId: ValueKind<number> = integerKind(-1, 2 ** 31 - 1, 'a group id, or -1 for none')
export const seconds: ValueKind<number> = integerKind(0, 2 ** 31 - 1, 'a whole number of seconds')

/** Go's durations, such as 1m30s; the proxy gets whole milliseconds. */
export const durationMs: ValueKind<number> = {
  parse(text) {
    const ms = parseGoDurationMs(text)
    return ms === undefined || ms < 0 ? undefined : Math.trunc(ms)
  },
  name: 'a duration such as 500ms, 10s or 1m30s',
  format: (ms) => `${ms}ms`,
}

export const ports: ValueKind<PortSet> = {
  parse(text) {
    const { ports, wrong } = parsePortSet(text)
    return wrong.length === 0 ? ports : undefined
  },
  name: 'a list of ports and ranges such as 25,4567-4568',
  format: formatPortSet,
}

export const subnets: ValueKind<readonly string[]> = {
  parse(text) {
    const list = text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
    return list.every((subnet) => parseCidr(subnet) !== undefined) ? list : undefined
  },
  name: 'a list of networks such as 10.0.0.0/8,fd00::/8',
  format: (list) => list.join(','),
}

/** A Kubernetes quantity, kept as it was written; the empty text means none. */
export const quantity: ValueKind<string> = {
  parse: (text) => (text === '' || quantityValue(text) !== undefined ? text : undefined),
  name: 'a quantity such as 100m, 2 or 250Mi',
  format: String,
}

/** A share of the machine's cores; 0 means no such bound. */
export const ratio: ValueKind<number> = {
  parse(text) {
    const value = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN
    return value > 0 && value < 1 ? value : undefined
  },
  name: 'a number between 0 and 1',
  format: String,
}

export const text: ValueKind<string> = {
  parse: (given) => (given.trim() === '' ? undefined : given),
  name: 'a text that is not empty',
  format: String,
}

export function oneOf<Value extends string>(...allowed: readonly Value[]): ValueKind<Value> {
  return {
    parse: (given) => allowed.find((value) => value === given),
    name: `one of ${allowed.filter((value) => value !== '').join(', ')}`,
    format: String,
  }
}

/** As `oneOf`, whatever the case. */
export function oneOfAnyCase<Value extends string>(...allowed: readonly Value[]): ValueKind<Value> {
  const kind = oneOf(...allowed)
  return { ...kind, parse: (given) => kind.parse(given.toLowerCase()) }
}

const SUFFIXES = new Map([
  ['', 1],
  ['n', 1e-9],
  ['u', 1e-6],
  ['m', 1e-3],
  ['k', 1e3],
  ['M', 1e6],
  ['G', 1e9],
  ['T', 1e12],
  ['P', 1e15],
  ['E', 1e18],
  ['Ki', 2 ** 10],
  ['Mi', 2 ** 20],
  ['Gi', 2 ** 30],
  ['Ti', 2 ** 40],
  ['Pi', 2 ** 50],
  ['Ei', 2 ** 60],
])

/** The number behind a Kubernetes quantity; `undefined` when it is none or negative. */
export function quantityValue(text: string): number | undefined {
  const [, digits, exponent, suffix] =
    /^\+?(\d+\.?\d*|\.\d+)(?:([eE][+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)$/.exec(text) ?? []
  if (digits === undefined) return undefined
  return Number(digits + (exponent ?? '')) * SUFFIXES.get(suffix ?? '')!
}

function integerKind(least: number, most: number, name: string): ValueKind<number> {
  return {
    parse(given) {
      const value = /^-?\d{1,10}$/.test(given) ? Number(given) : Number.NaN
      return value >= least && value <= most ? value : undefined
    },
    name,
    format: String,
  }
}
