/**
 * Manifests: the text of a YAML file in, checked objects out, every problem with its file, line and field.
 */
import {
  type Document,
  isAlias,
  isNode,
  isPair,
  isScalar,
  isSeq,
  isMap as isYamlMap,
  LineCounter,
  parseAllDocuments,
} from 'yaml'
import { describe, formatPath, isMap, type Path, type Report } from './check.ts'
import { isPolicyKind, KINDS, type Kind, kindOf, nameOf, type Resource } from './kinds.ts'

export interface Problem {
  readonly file: string
  readonly line: number
  /** `Service shop/web`, or empty when the text could not be read that far. */
  readonly object: string
  /** `spec.ports[0].port`, or empty. */
  readonly field: string
  readonly message: string
}
export interface Location {
  readonly file: string
  readonly line: number
}
export interface ParsedManifests {
  readonly objects: readonly Resource[]
  /** What refuses the file. */
  readonly problems: readonly Problem[]
  /** What is ignored and should be said once. */
  readonly notes: readonly Problem[]
  /** Where an object, or the deepest written part of one of its fields, stands. */
  locate(object: Resource, path: Path): Location
}

/** One sentence: `demo/web.yaml:14: Service shop/web: spec.ports[0].port: 70000 is not a port (1 to 65535)`. */
export function formatProblem({ file, line, object, field, message }: Problem): string {
  return [`${file}:${line}`, object, field, message].filter((part) => part !== '').join(': ')
}

const DEFAULT_NAMESPACE = 'default'
/** So many unknown fields of one object are remembered by their paths: whoever reads so many has to expect more. */
export const MAX_UNKNOWN_FIELDS = 20

export interface ParseOptions {
  /** Namespace of objects that do not name one. */
  readonly namespace?: string
  /** Objects of kinds that Weft does not know are left out with a note, instead of refused. */
  readonly skipUnknownKinds?: boolean
}

export function parseManifests(text: string, file: string, options: ParseOptions = {}): ParsedManifests {
  const lines = new LineCounter()
  const objects: Resource[] = []
  const problems: Problem[] = []
  const notes: Problem[] = []
  const locators = new Map<Resource, (path: Path) => number>()
  const firstLine = new Map<string, number>()

  for (const document of parseAllDocuments(text, {
    lineCounter: lines,
    merge: true,
    prettyErrors: false,
    logLevel: 'error',
  })) {
    if (!('errors' in document)) continue
    const [error] = document.errors
    if (error !== undefined) {
      const { line } = lines.linePos(error.pos[0])
      problems.push({ file, line, object: '', field: '', message: `this is not YAML: ${error.message.split('\n')[0]}` })
      continue
    }
    let value: unknown
    try {
      value = document.toJS()
    } catch (cause) {
      problems.push({
        file,
        line: lineOf(document, [], lines),
        object: '',
        field: '',
        message: `this is not YAML: ${(cause as Error).message}`,
      })
      continue
    }
    if (value === null || value === undefined) continue
    for (const [item, base] of listItems(value)) {
      const object = label(item, options)
      const lineAt = (path: Path) => lineOf(document, [...base, ...path], lines)
      const entry = (path: Path, message: string): Problem => ({
        file,
        line: lineAt(path),
        object,
        field: formatPath(path),
        message,
      })
      const report: Report = {
        problem: (path, message) => problems.push(entry(path, message)),
        note: (path, message) => notes.push(entry(path, message)),
      }
      const checked = checkObject(item, report, options)
      if (checked === undefined) continue
      const line = lineAt([])
      const earlier = firstLine.get(nameOf(checked))
      if (earlier !== undefined) {
        report.problem(['metadata', 'name'], `is defined in line ${earlier} already; rename or remove one of the two`)
        continue
      }
      firstLine.set(nameOf(checked), line)
      objects.push(checked)
      locators.set(checked, lineAt)
    }
  }
  return {
    objects,
    problems,
    notes: onePerField(notes),
    locate: (object, path) => ({ file, line: locators.get(object)?.(path) ?? 1 }),
  }
}

/** Checks one object that was read from anywhere (a manifest, a watch, a patch). */
export function checkObject(value: unknown, report: Report, options: ParseOptions = {}): Resource | undefined {
  if (!isMap(value)) return void report.problem([], `expected a Kubernetes object, found ${describe(value)}`)
  const { kind, apiVersion } = value
  if (typeof kind !== 'string')
    return void report.problem(['kind'], 'is missing; a Kubernetes object begins with apiVersion and kind')
  const known = kindOf({ kind, apiVersion: typeof apiVersion === 'string' ? apiVersion : '' })
  if (known === undefined && options.skipUnknownKinds === true) {
    return void report.note(['kind'], `${describe(kind)} is not a kind that is checked here`)
  }
  if (known === undefined) {
    return void report.problem(
      ['kind'],
      `${describe(kind)} is not supported; supported are ${Object.keys(KINDS).join(', ')}`,
    )
  }
  return checkKind(known, value, report, options)
}

/** The same of a kind that is known already. */
export function checkKind(
  known: Kind,
  value: Readonly<Record<string, unknown>>,
  report: Report,
  options: ParseOptions = {},
): Resource | undefined {
  const { apiVersion } = value
  const definition = KINDS[known]
  if (typeof apiVersion !== 'string' || !definition.apiVersions.includes(apiVersion)) {
    const found = apiVersion === undefined ? 'is missing' : `is ${describe(apiVersion)}`
    return void report.problem(['apiVersion'], `${found}; a ${known} has ${definition.apiVersions.join(' or ')}`)
  }
  const unknownFields: string[] = []
  const checked = definition.check(value, [], {
    problem: (path, message) => report.problem(path, message),
    note(path, message) {
      if (isPolicyKind(known) && unknownFields.length < MAX_UNKNOWN_FIELDS) unknownFields.push(formatPath(path))
      report.note(path, message)
    },
  })
  if (checked === undefined) return undefined
  const namespace = definition.isNamespaced
    ? checked.metadata.namespace || (options.namespace ?? DEFAULT_NAMESPACE)
    : ''
  const metadata = { ...checked.metadata, namespace, ...(unknownFields.length > 0 && { unknownFields }) }
  return { ...checked, metadata } as Resource
}

function listItems(value: unknown): [unknown, Path][] {
  if (isMap(value) && value.kind === 'List' && Array.isArray(value.items)) {
    return value.items.map((item, index) => [item, ['items', index]])
  }
  return [[value, []]]
}

/** The object's name as far as it can be read from an unchecked value. */
function label(value: unknown, options: ParseOptions): string {
  if (!isMap(value) || typeof value.kind !== 'string') return ''
  const kind = value.kind
  const metadata = isMap(value.metadata) ? value.metadata : {}
  const text = (key: string) => (typeof metadata[key] === 'string' ? metadata[key] : '')
  const apiVersion = typeof value.apiVersion === 'string' ? value.apiVersion : ''
  const known = kindOf({ kind, apiVersion })
  const isNamespaced = known === undefined || KINDS[known].isNamespaced
  const namespace = isNamespaced ? text('namespace') || (options.namespace ?? DEFAULT_NAMESPACE) : ''
  return nameOf({ kind, apiVersion, metadata: { name: text('name') || '(without name)', namespace } })
}

/** The line of the deepest node on `path` that exists in the text. */
function lineOf(document: Document, path: Path, lines: LineCounter): number {
  let node: unknown = document.contents
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document)
    if (isYamlMap(node)) {
      const pair = node.items.find(
        (each) => isPair(each) && isScalar(each.key) && String(each.key.value) === String(step),
      )
      if (pair === undefined) break
      if (isNode(pair.key)) offset = pair.key.range?.[0] ?? offset
      node = pair.value
    } else if (isSeq(node) && typeof step === 'number') {
      node = node.items[step]
      if (isNode(node)) offset = node.range?.[0] ?? offset
    } else break
  }
  return lines.linePos(offset).line
}

/** The same field in ten containers is one note: where it appears first. */
function onePerField(notes: readonly Problem[]): Problem[] {
  const seen = new Set<string>()
  return notes.filter(({ field }) => {
    const key = field.replace(/\[\d+\]/g, '[]')
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
}
