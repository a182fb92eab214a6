/**
 * Feeds a store from the API server of a Kubernetes cluster: one reflector for each kind.
 *
 * Kinds that the cluster does not have (no CRDs yet) count as empty and are looked for again. Objects that fail their
 * check are told once per version and counted.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { isMap } from '../../api/resources/check.ts'
import { KINDS, type Kind, nameOf, type Resource } from '../../api/resources/kinds.ts'
import { keyOf } from './directory-source.ts'
import { type KubernetesApi, KubernetesApiError } from './kubernetes-api.ts'
import { acceptObject } from './kubernetes-object.ts'
import { Reflector, type WatchEvent } from './kubernetes-reflector.ts'
import type { ObjectKey, WritableResourceStore } from './store.ts'

export interface KubernetesSourceOptions {
  readonly api: KubernetesApi
  readonly store: WritableResourceStore
  readonly kinds?: readonly Kind[]
  /** One sentence per thing that is wrong with an object, and per kind that cannot be read. */
  readonly onProblem: (sentence: string) => void
  /** Once when the cluster does not have a kind, until it has. */
  readonly onAbsent?: (kind: Kind) => void
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>
  readonly random?: () => number
}

export class KubernetesSource {
  readonly #options: KubernetesSourceOptions
  readonly #end = new AbortController()
  readonly #missing: Set<Kind>
  readonly #absent = new Set<Kind>()
  /** Problems told, by object; bounded by what the cluster holds. */
  readonly #refused = new Map<string, string>()
  readonly #failures = new Map<Kind, string>()
  readonly #ready = Promise.withResolvers<void>()

  constructor(options: KubernetesSourceOptions) {
    this.#options = options
    this.#missing = new Set(options.kinds ?? (Object.keys(KINDS) as Kind[]))
    // Whoever closes without having waited does not want to hear of it.
    this.#ready.promise.catch(() => {})
  }

  /** Resolves when the first list of every kind is in the store; rejects when closed before. */
  start(): Promise<void> {
    const { api, sleep = interruptible, random = Math.random } = this.#options
    for (const kind of this.#missing) {
      const reflector = new Reflector({ api, kind, sleep, random, sink: this.#sink })
      // It ends with a mistake of ours only, which must not go unheard.
      void reflector.run(this.#end.signal)
    }
    return this.#ready.promise
  }

  /** Objects of the cluster that failed their check, as a metric tells. */
  get refusedObjects(): number {
    return this.#refused.size
  }

  close(): void {
    this.#end.abort()
    this.#ready.reject(new KubernetesApiError('closed before the first lists were in'))
  }

  readonly #sink = {
    replace: (kind: Kind, apiVersion: string | undefined, raws: readonly unknown[]): void => {
      const { store, onAbsent } = this.#options
      this.#failures.delete(kind)
      if (apiVersion !== undefined) this.#absent.delete(kind)
      else if (!this.#absent.has(kind)) {
        this.#absent.add(kind)
        onAbsent?.(kind)
      }
      const apply: Resource[] = []
      const there = new Set<string>()
      for (const raw of raws) {
        there.add(idOf(kind, raw))
        const object = this.#accept(kind, apiVersion!, raw)
        if (object !== undefined) apply.push(object)
      }
      const gone = (store.list(kind) as readonly Resource[]).filter(
        ({ metadata }) => !there.has(`${kind} ${metadata.namespace}/${metadata.name}`),
      )
      for (const id of this.#refused.keys()) if (id.startsWith(`${kind} `) && !there.has(id)) this.#refused.delete(id)
      this.#commit(kind, apply, gone.map(keyOf))
      if (this.#missing.delete(kind) && this.#missing.size === 0) this.#ready.resolve()
    },

    change: (kind: Kind, apiVersion: string, events: readonly WatchEvent[]): void => {
      this.#failures.delete(kind)
      // Of several events of one object the last counts: a batch has no order between deletions and the rest.
      const last = new Map(events.map((event) => [idOf(kind, event.object), event]))
      const apply: Resource[] = []
      const gone: ObjectKey[] = []
      for (const [id, { type, object: raw }] of last) {
        if (type === 'DELETED') {
          this.#refused.delete(id)
          gone.push(rawKey(kind, raw))
          continue
        }
        const object = this.#accept(kind, apiVersion, raw)
        if (object !== undefined) apply.push(object)
      }
      this.#commit(kind, apply, gone)
    },

    failed: (kind: Kind, { message }: KubernetesApiError): void => {
      // A server that is away fails every kind again and again; each is told once.
      if (this.#failures.get(kind) === message) return
      this.#failures.set(kind, message)
      this.#options.onProblem(message)
    },
  }

  #accept(kind: Kind, apiVersion: string, raw: unknown): Resource | undefined {
    const { store, onProblem } = this.#options
    const { namespace, name } = rawKey(kind, raw)
    const id = idOf(kind, raw)
    const { object, problems } = acceptObject(kind, apiVersion, raw, store.get(kind, namespace, name) as Resource)
    if (problems.length === 0) {
      this.#refused.delete(id)
      return object
    }
    const said = problems.join('; ')
    if (this.#refused.get(id) !== said) {
      const subject = nameOf({ kind, metadata: { namespace, name } })
      for (const problem of problems) onProblem(`${subject}: ${problem}`)
    }
    this.#refused.set(id, said)
    return object
  }

  /** After a list most objects are the ones there are already. */
  #commit(kind: Kind, objects: readonly Resource[], gone: readonly ObjectKey[]): void {
    const { store } = this.#options
    const apply = objects.filter((object) => {
      const { namespace, name, resourceVersion, uid } = object.metadata
      const known = (store.get(kind, namespace, name) as Resource | undefined)?.metadata
      return known?.resourceVersion !== resourceVersion || known.uid !== uid
    })
    if (apply.length + gone.length > 0) store.commit({ apply, delete: gone })
  }
}

function rawKey(kind: Kind, raw: unknown): ObjectKey {
  const metadata = isMap(raw) && isMap(raw.metadata) ? raw.metadata : {}
  const text = (value: unknown) => (typeof value === 'string' ? value : '')
  return { kind, namespace: text(metadata.namespace), name: text(metadata.name) }
}

function idOf(kind: Kind, raw: unknown): string {
  const { namespace, name } = rawKey(kind, raw)
  return `${kind} ${namespace}/${name}`
}

async function interruptible(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {})
}
