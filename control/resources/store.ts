/**
 * The resource store: objects in by kind, namespace and name; consistent views out.
 *
 * A batch is applied whole before anybody hears of it, so no index ever sees half a change. Lists are kept sorted and
 * are the same array until their kind changes, so an index may compare by identity.
 */
import { isDeepStrictEqual } from 'node:util'
import { isPolicyKind, KINDS, type Kind, kindOf, type Resource, type ResourceOf } from '../../api/resources/kinds.ts'

export interface ResourceStore {
  /** Ordered by namespace and name. */
  list<K extends Kind>(kind: K): readonly ResourceOf<K>[]
  /** `namespace` is empty for kinds without one. */
  get<K extends Kind>(kind: K, namespace: string, name: string): ResourceOf<K> | undefined
  /**
   * Called once per batch after it was applied whole.
   * @returns ends the subscription
   */
  subscribe(listener: StoreListener): () => void
}

/**
 * @param changed kinds of which any object changed
 * @param wanted those of them where more changed than the status of policy objects. That status is a report, which no
 *   policy is made from: without the difference every report would have all policies made again.
 */
export type StoreListener = (changed: ReadonlySet<Kind>, wanted: ReadonlySet<Kind>) => void

export interface ObjectKey {
  readonly kind: Kind
  readonly namespace: string
  readonly name: string
}

export interface Batch {
  readonly apply?: readonly Resource[]
  readonly delete?: readonly ObjectKey[]
}

export interface WritableResourceStore extends ResourceStore {
  /** Creates or replaces, as one batch. */
  apply(objects: readonly Resource[]): void
  delete(keys: readonly ObjectKey[]): void
  /** Both in one batch; deletions first, so a batch may replace an object by one of the same name. */
  commit(batch: Batch): void
}

export interface MemoryStoreOptions {
  /** RFC 3339 time for `creationTimestamp` of new objects. */
  readonly now?: () => string
  readonly newUid?: () => string
}

type Table = Map<string, Resource>

export class MemoryStore implements WritableResourceStore {
  readonly #tables = new Map<Kind, Table>((Object.keys(KINDS) as Kind[]).map((kind) => [kind, new Map()]))
  readonly #lists = new Map<Kind, readonly Resource[]>()
  readonly #listeners = new Set<StoreListener>()
  readonly #now: () => string
  readonly #newUid: () => string
  #version = 0

  constructor({ now = () => new Date().toISOString(), newUid = () => crypto.randomUUID() }: MemoryStoreOptions = {}) {
    this.#now = now
    this.#newUid = newUid
  }

  list<K extends Kind>(kind: K): readonly ResourceOf<K>[] {
    let list = this.#lists.get(kind)
    if (list === undefined) {
      list = [...this.#tables.get(kind)!.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object)
      this.#lists.set(kind, list)
    }
    return list as readonly ResourceOf<K>[]
  }

  get<K extends Kind>(kind: K, namespace: string, name: string): ResourceOf<K> | undefined {
    return this.#tables.get(kind)!.get(tableKey(namespace, name)) as ResourceOf<K> | undefined
  }

  subscribe(listener: StoreListener): () => void {
    // Wrapped, so that the same function may subscribe twice and end one subscription only.
    const own: StoreListener = (changed, wanted) => listener(changed, wanted)
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  apply(objects: readonly Resource[]): void {
    this.commit({ apply: objects })
  }

  delete(keys: readonly ObjectKey[]): void {
    this.commit({ delete: keys })
  }

  /** Replaces the status of an object; nothing happens when it is gone. */
  applyStatus({ kind, namespace, name }: ObjectKey, status: object): void {
    const object = this.#tables.get(kind)!.get(tableKey(namespace, name))
    if (object !== undefined) this.commit({ apply: [{ ...object, status } as Resource] })
  }

  commit(batch: Batch): void {
    const changed = new Set<Kind>()
    const wanted = new Set<Kind>()
    for (const { kind, namespace, name } of batch.delete ?? []) {
      if (!this.#tables.get(kind)!.delete(tableKey(namespace, name))) continue
      changed.add(kind)
      wanted.add(kind)
    }
    for (const object of batch.apply ?? []) {
      const { metadata } = object
      const kind = kindOf(object)!
      const table = this.#tables.get(kind)!
      const key = tableKey(metadata.namespace, metadata.name)
      const previous = table.get(key)
      const next = this.#versioned(object, previous)
      table.set(key, next)
      changed.add(kind)
      if (!wanted.has(kind) && !isReportOnly(kind, previous, next)) wanted.add(kind)
    }
    if (changed.size === 0) return
    for (const kind of changed) this.#lists.delete(kind)
    for (const listener of [...this.#listeners]) listener(changed, wanted)
  }

  /** What the source left empty is filled in: identity and age survive a replacement, the version never repeats. */
  #versioned(object: Resource, previous: Resource | undefined): Resource {
    const { metadata } = object
    // As at an API server: who writes an object again without its status has not lost it.
    const status = isPolicyKind(kindOf(object)!) && !('status' in object) ? statusOf(previous) : undefined
    const isGiven = metadata.generation !== 0 && metadata.generation !== previous?.metadata.generation
    const generation = isGiven ? metadata.generation : generationAfter(previous, object)
    return {
      ...object,
      ...(status && { status }),
      metadata: {
        ...metadata,
        uid: metadata.uid || previous?.metadata.uid || this.#newUid(),
        creationTimestamp: metadata.creationTimestamp || previous?.metadata.creationTimestamp || this.#now(),
        resourceVersion:
          metadata.resourceVersion !== '' && metadata.resourceVersion !== previous?.metadata.resourceVersion
            ? metadata.resourceVersion
            : String(++this.#version),
        generation,
      },
    } as Resource
  }
}

/** As a Kubernetes API server counts: what is wanted has changed, whatever became of its status. */
function generationAfter(previous: Resource | undefined, object: Resource): number {
  if (previous === undefined) return 1
  const isSame = isDeepStrictEqual(wanted(previous), wanted(object))
  return isSame ? previous.metadata.generation : previous.metadata.generation + 1
}

function statusOf(object: Resource | undefined): object | undefined {
  return (object as { readonly status?: object } | undefined)?.status
}

/** Whether nothing but the status of a policy object changed. The status of a Pod, say, is what endpoints are made from. */
function isReportOnly(kind: Kind, previous: Resource | undefined, next: Resource): boolean {
  if (previous === undefined || !isPolicyKind(kind)) return false
  return (
    isDeepStrictEqual(wanted(previous), wanted(next)) &&
    isDeepStrictEqual({ ...previous.metadata, resourceVersion: '' }, { ...next.metadata, resourceVersion: '' })
  )
}

function wanted(object: Resource): object {
  const { metadata: _metadata, status: _status, ...rest } = object as Resource & { readonly status?: unknown }
  return rest
}

function tableKey(namespace: string, name: string): string {
  return `${namespace}/${name}`
}
