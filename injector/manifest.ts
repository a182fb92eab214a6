/**
 * Kubernetes manifests as people keep them: YAML with comments, several documents, Lists.
 *
 * Changes are made in the parsed document, so what is not touched (comments, order, blank lines) stays.
 */
import { Document, isMap, isScalar, isSeq, LineCounter, parseAllDocuments, visit } from 'yaml'
import { type JsonPatchOperation, type Path, parseJsonPointer } from './json-patch.ts'
import type { ObjectMeta, Pod } from './pod.ts'

export interface KubeObject {
  readonly kind?: string
  readonly metadata?: ObjectMeta
  readonly [field: string]: unknown
}

/** One object of a manifest and where it stands. */
export interface ManifestObject {
  readonly document: Document
  /** From the document's root; not empty inside a List. */
  readonly path: Path
  readonly object: KubeObject
  /** Where people find it: `web.yaml:12`. */
  readonly place: string
}

export class ManifestError extends Error {
  readonly code = 'WEFT_MANIFEST'
}

/** Where the pod template stands in an object of each kind that has one; a Pod is its own. */
const TEMPLATE_PATHS: ReadonlyMap<string, Path> = new Map([
  ['Pod', []],
  ['Deployment', ['spec', 'template']],
  ['ReplicaSet', ['spec', 'template']],
  ['ReplicationController', ['spec', 'template']],
  ['StatefulSet', ['spec', 'template']],
  ['DaemonSet', ['spec', 'template']],
  ['Job', ['spec', 'template']],
  ['CronJob', ['spec', 'jobTemplate', 'spec', 'template']],
])

/** The documents of one file. @throws ManifestError with the place of the first mistake */
export function parseManifest(text: string, source: string): ManifestObject[] {
  const lines = new LineCounter()
  const objects: ManifestObject[] = []
  for (const parsed of parseAllDocuments(text, { lineCounter: lines, logLevel: 'error' })) {
    const place = `${source}:${lines.linePos(parsed.contents?.range?.[0] ?? parsed.range[0]).line}`
    const [error] = parsed.errors
    if (error !== undefined) {
      const { line, col } = lines.linePos(error.pos[0])
      throw new ManifestError(
        `${source}:${line}:${col}: ${error.message.split('\n')[0]!.replace(/ at line \d+.*$/, '')}`,
      )
    }
    // Nothing between two separators, or a comment alone.
    if (parsed.contents === null || (isScalar(parsed.contents) && parsed.contents.value === null)) continue
    const document = withoutAliases(parsed as Document)
    const root: unknown = document.toJS()
    if (!isObject(root)) throw new ManifestError(`${place}: a manifest is a map with kind and metadata`)
    objects.push(...objectsIn(document, root, [], place))
  }
  return objects
}

/** The path of the pod template, or `undefined` for a kind without pods. */
export function templatePath({ kind }: KubeObject): Path | undefined {
  return kind === undefined ? undefined : TEMPLATE_PATHS.get(kind)
}

/** The pod that an object makes: what the injector's patch is for. */
export function templateOf(object: KubeObject): Pod | undefined {
  const path = templatePath(object)
  let at: unknown = path === undefined ? undefined : object
  for (const key of path ?? []) at = isObject(at) ? at[key] : undefined
  return isObject(at) ? (at as Pod) : undefined
}

/** `deployment/web`, as kubectl names it. */
export function nameOf({ kind, metadata }: KubeObject): string {
  return `${(kind ?? 'object').toLowerCase()}/${metadata?.name ?? ''}`
}

/** Carries the operations out in the document; their paths start at `base`. */
export function patchDocument(document: Document, base: Path, patch: readonly JsonPatchOperation[]): void {
  for (const operation of patch) {
    const path = [...base.map(String), ...parseJsonPointer(operation.path)]
    const key = path.pop()!
    const parent = document.getIn(path, true)
    if (isMap(parent)) {
      if (operation.op === 'remove') parent.delete(key)
      else parent.set(key, document.createNode(operation.value))
    } else if (isSeq(parent)) {
      if (operation.op === 'remove') parent.delete(Number(key))
      else if (operation.op === 'replace') parent.set(Number(key), document.createNode(operation.value))
      else parent.items.splice(key === '-' ? parent.items.length : Number(key), 0, document.createNode(operation.value))
    } else throw new RangeError(`there is no place for ${operation.op} at "${path.join('/')}/${key}"`)
  }
}

/** Every document once, in order, each followed by a separator (YAML), or as one JSON text each. */
export function formatManifest(objects: readonly ManifestObject[], format: 'yaml' | 'json'): string {
  const documents = [...new Set(objects.map(({ document }) => document))]
  return documents
    .map((document) => {
      if (format === 'json') return `${JSON.stringify(document.toJS(), undefined, 2)}\n`
      if (document.directives !== undefined) document.directives.docStart = null
      return `${document.toString({ lineWidth: 0 })}---\n`
    })
    .join('')
}

function objectsIn(document: Document, object: KubeObject, path: Path, place: string): ManifestObject[] {
  if (object.kind !== 'List') return [{ document, path, object, place }]
  const items = Array.isArray(object.items) ? object.items : []
  return items.flatMap((item: unknown, at) => {
    if (!isObject(item)) throw new ManifestError(`${place}: items[${at}] of the List is no object`)
    return objectsIn(document, item, [...path, 'items', at], place)
  })
}

/** A change at an alias would change every other use of its anchor, so such a document is written out first. */
function withoutAliases(document: Document): Document {
  let hasAlias = false
  visit(document, {
    Alias() {
      hasAlias = true
      return visit.BREAK
    },
  })
  // Through JSON, where no two places share an object.
  return hasAlias ? new Document(JSON.parse(JSON.stringify(document.toJS()))) : document
}

function isObject(value: unknown): value is KubeObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
