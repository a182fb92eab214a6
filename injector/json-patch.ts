/**
 * JSON Patch (RFC 6902), the part an admission webhook answers with.
 *
 * `PatchedDocument` applies every operation to its own copy as it records it, so patch and patched object cannot
 * disagree.
 */
export type JsonPatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string }

export type Path = readonly (string | number)[]

/** `['metadata', 'labels', 'a/b']` as RFC 6901 writes it: `/metadata/labels/a~1b`. */
export function jsonPointer(path: Path): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

export function parseJsonPointer(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/**
 * The document after the operations; the given one stays as it is.
 *
 * @throws RangeError when an operation names a place that is not there, as RFC 6902 §4 demands
 */
export function applyPatch<Doc>(document: Doc, patch: readonly JsonPatchOperation[]): Doc {
  const copy = structuredClone(document)
  for (const operation of patch) applyOperation(copy, operation)
  return copy
}

/** A copy of an object that remembers how it came to differ from it. */
export class PatchedDocument<Doc> {
  readonly value: Doc
  readonly patch: JsonPatchOperation[] = []

  constructor(document: Doc) {
    this.value = structuredClone(document)
  }

  /** Sets the member or inserts the element at `path`; `-` as last part appends. */
  add(path: Path, value: unknown): void {
    const operation = { op: 'add', path: jsonPointer(path), value } as const
    applyOperation(this.value, operation)
    this.patch.push(operation)
  }

  /** Adds an empty object or list at `path` unless there is something already; YAML's `labels:` alone is null. */
  ensure(path: Path, empty: object): void {
    const present = lookUp(this.value, path.map(String))
    if (present === undefined || present === null) this.add(path, empty)
  }
}

function applyOperation(document: unknown, operation: JsonPatchOperation): void {
  const path = parseJsonPointer(operation.path)
  const key = path.pop()
  const parent = lookUp(document, path)
  if (key === undefined || typeof parent !== 'object' || parent === null) throw noSuchPlace(operation)
  const value = operation.op === 'remove' ? undefined : structuredClone(operation.value)
  if (Array.isArray(parent)) {
    const index = key === '-' ? parent.length : Number(/^(?:0|[1-9]\d*)$/.test(key) ? key : Number.NaN)
    const last = operation.op === 'add' ? parent.length : parent.length - 1
    if (!(index <= last)) throw noSuchPlace(operation)
    if (operation.op === 'add') parent.splice(index, 0, value)
    else if (operation.op === 'replace') parent[index] = value
    else parent.splice(index, 1)
    return
  }
  const members = parent as Record<string, unknown>
  if (operation.op !== 'add' && !Object.hasOwn(members, key)) throw noSuchPlace(operation)
  if (operation.op === 'remove') delete members[key]
  // Defined, not assigned: a label may be called `__proto__`.
  else Object.defineProperty(members, key, { value, writable: true, enumerable: true, configurable: true })
}

function lookUp(document: unknown, path: readonly string[]): unknown {
  let at = document
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined
    at = (at as Record<string, unknown>)[key]
  }
  return at
}

function noSuchPlace({ op, path }: JsonPatchOperation): RangeError {
  return new RangeError(`JSON patch: there is no place for ${op} at "${path}"`)
}
