/**
 * Checks for untrusted structures: a value goes in, a typed and defaulted value comes out, and everything wrong with
 * it is reported at its path, so that a user repairs a manifest in one round instead of one field at a time.
 *
 * Written by hand and not with a schema library, because every message has to name a remedy, unknown fields are
 * noted in one kind and refused in the next, and the field path must survive to be turned into a line of a file.
 */
export type Path = readonly (string | number)[]

/** Where checks leave what they find. A problem refuses the object; a note only tells the user about it. */
export interface Report {
  problem(path: Path, message: string): void
  note(path: Path, message: string): void
}

/** Returns the checked value, or `undefined` after it has reported at least one problem. */
export type Check<T> = (value: unknown, path: Path, report: Report) => T | undefined

export interface RequiredField<T> {
  readonly check: Check<T>
  readonly presence: 'required' | 'default'
  readonly fallback?: () => T
}
export interface OptionalField<T> {
  readonly check: Check<T>
  readonly presence: 'optional'
}
type FieldOf<T, K extends keyof T> =
  Record<string, never> extends Pick<T, K>
    ? OptionalField<Exclude<T[K], undefined>> | RequiredField<Exclude<T[K], undefined>>
    : RequiredField<T[K]>
export type Fields<T> = { readonly [K in keyof T]-?: FieldOf<T, K> }

export interface ObjectOptions<T> {
  /** What an unknown field is: a note ("ignored"), a problem, or nothing at all (default: note). */
  readonly unknown?: 'note' | 'refuse' | 'ignore'
  /** Rules that need more than one field; called only when every field is right by itself. */
  readonly also?: (value: T, path: Path, report: Report) => void
}

export function required<T>(check: Check<T>): RequiredField<T> {
  return { check, presence: 'required' }
}
export function optional<T>(check: Check<T>): OptionalField<T> {
  return { check, presence: 'optional' }
}
export function withDefault<T>(check: Check<T>, fallback: () => T): RequiredField<T> {
  return { check, presence: 'default', fallback }
}

/** A map with known fields. `null` counts as absent, as it does in Kubernetes. */
export function object<T extends object>(fields: Fields<T>, options: ObjectOptions<T> = {}): Check<T> {
  const known = new Map(Object.entries(fields) as [string, RequiredField<unknown> | OptionalField<unknown>][])
  return (value, path, report) => {
    if (!isMap(value)) return fail(report, path, `expected a map of fields, found ${describe(value)}`)
    let isGood = true
    const result: Record<string, unknown> = {}
    for (const [name, field] of known) {
      const given = Object.hasOwn(value, name) ? value[name] : undefined
      if (given === undefined || given === null) {
        if (field.presence === 'default') result[name] = field.fallback?.()
        if (field.presence === 'required') {
          report.problem([...path, name], 'is missing; add it')
          isGood = false
        }
        continue
      }
      const checked = field.check(given, [...path, name], report)
      if (checked === undefined) isGood = false
      else result[name] = checked
    }
    for (const name of Object.keys(value)) {
      if (known.has(name) || options.unknown === 'ignore') continue
      if (options.unknown === 'refuse') {
        report.problem([...path, name], `is not a known field; known here are ${[...known.keys()].join(', ')}`)
        isGood = false
      } else {
        report.note([...path, name], 'is not used here and ignored')
      }
    }
    if (!isGood) return undefined
    const probe = counting(report)
    options.also?.(result as T, path, probe)
    return probe.problems === 0 ? (result as T) : undefined
  }
}

export function array<T>(item: Check<T>, options: { min?: number; minMessage?: string } = {}): Check<readonly T[]> {
  return (value, path, report) => {
    if (!Array.isArray(value)) return fail(report, path, `expected a list, found ${describe(value)}`)
    if (value.length < (options.min ?? 0))
      return fail(report, path, options.minMessage ?? 'is empty; it needs at least one item')
    const items = value.map((each, index) => item(each, [...path, index], report))
    return items.every((each) => each !== undefined) ? (items as T[]) : undefined
  }
}

export type StringMap = Readonly<Record<string, string>>

/** A map from free names to strings (labels, annotations, data). */
export const stringMap: Check<StringMap> = (value, path, report) => {
  if (!isMap(value)) return fail(report, path, `expected a map of strings, found ${describe(value)}`)
  let isGood = true
  for (const [key, each] of Object.entries(value)) {
    if (typeof each === 'string') continue
    report.problem([...path, key], `expected a string, found ${describe(each)}; put it in quotes`)
    isGood = false
  }
  return isGood ? (value as StringMap) : undefined
}

export const string: Check<string> = (value, path, report) =>
  typeof value === 'string'
    ? value
    : fail(report, path, `expected a string, found ${describe(value)}${quoteHint(value)}`)

export const boolean: Check<boolean> = (value, path, report) =>
  typeof value === 'boolean' ? value : fail(report, path, `expected true or false, found ${describe(value)}`)

/** Anything at all: a field that is carried along and never read. */
export const anything: Check<unknown> = (value) => value

export function integer(min: number, max: number, what = 'a whole number'): Check<number> {
  return (value, path, report) =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
      ? value
      : fail(report, path, `${describe(value)} is not ${what} (${min} to ${max})`)
}

export const port: Check<number> = integer(1, 65_535, 'a port')

export function oneOf<T extends string>(...values: readonly T[]): Check<T> {
  return (value, path, report) =>
    values.includes(value as T)
      ? (value as T)
      : fail(report, path, `${describe(value)} is not one of ${values.join(', ')}`)
}

export function matching(pattern: RegExp, what: string, maxLength = 253): Check<string> {
  return (value, path, report) => {
    if (typeof value === 'string' && value.length <= maxLength && pattern.test(value)) return value
    return fail(report, path, `${describe(value)} is not ${what}`)
  }
}

export const dnsLabel = matching(
  /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
  'a DNS label (a-z, 0-9 and -, beginning and ending with a letter or digit, at most 63 characters)',
  63,
)
export const dnsSubdomain = matching(
  /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
  'a DNS name (labels of a-z, 0-9 and -, joined by dots, at most 253 characters)',
)
/** IANA service name: what a named port is called. */
export const portName = matching(
  /^(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
  'a port name (a-z, 0-9 and single -, with a letter, at most 15 characters)',
  15,
)

/** A port number, or the name of a container port. */
export const portOrName: Check<number | string> = (value, path, report) =>
  typeof value === 'string' ? portName(value, path, report) : port(value, path, report)

export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `spec.ports[0].port`, as users know it from Kubernetes. */
export function formatPath(path: Path): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (/^[A-Za-z_][\w-]*$/.test(step)) text += text === '' ? step : `.${step}`
    else text += `["${step}"]`
  }
  return text
}

export function describe(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a map'
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

export function fail(report: Report, path: Path, message: string): undefined {
  report.problem(path, message)
  return undefined
}

function quoteHint(value: unknown): string {
  return typeof value === 'number' || typeof value === 'boolean' ? '; put it in quotes' : ''
}

function counting(report: Report): Report & { problems: number } {
  return {
    problems: 0,
    problem(path, message) {
      this.problems++
      report.problem(path, message)
    },
    note: (path, message) => report.note(path, message),
  }
}
