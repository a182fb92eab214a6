/**
 * Which connected proxies hold which version of a policy object: what the status of routes reports, so that a
 * pipeline can wait until a change is in force everywhere.
 *
 * A proxy holds what was sent on its streams and has left through their flow control; the policy API has no word for
 * "applied", and proxies apply what they read at once.
 */
import type { ResourceName } from './model/route.ts'

export interface Holding {
  /** Connected proxies whose policies have the object. */
  readonly proxies: number
  /** How many of them hold this generation in all of those. */
  readonly current: number
}

export const NOBODY: Holding = { proxies: 0, current: 0 }

/** One stream of one proxy. */
export interface Holder {
  /** What the proxy was sent. */
  sent(policy: object): void
  close(): void
}

interface Stream {
  readonly namespace: string
  /** What the proxy should have by now; absent while there is no policy for what it asked. */
  readonly wanted: () => object | undefined
  held: object | undefined
}

export class Holders {
  /** By the workload that the proxy serves. */
  readonly #streams = new Map<string, Set<Stream>>()
  readonly #onChange: () => void

  /** @param onChange hears whenever a count may have changed */
  constructor(onChange: () => void) {
    this.#onChange = onChange
  }

  /** @param namespace of the workload: inbound policies leave that of their objects out */
  open(workload: string, namespace: string, wanted: () => object | undefined): Holder {
    const stream: Stream = { namespace, wanted, held: undefined }
    const streams = this.#streams.get(workload) ?? new Set()
    streams.add(stream)
    this.#streams.set(workload, streams)
    return {
      sent: (policy) => {
        stream.held = policy
        this.#onChange()
      },
      close: () => {
        streams.delete(stream)
        if (streams.size === 0 && this.#streams.get(workload) === streams) this.#streams.delete(workload)
        this.#onChange()
      },
    }
  }

  /** By `holdingKey`. Asked about once a second at most: it looks at every stream. */
  count(): ReadonlyMap<string, Holding> {
    const counts = new Map<string, { proxies: number; current: number }>()
    for (const streams of this.#streams.values()) {
      for (const [key, isCurrent] of objectsOf(streams)) {
        const count = counts.get(key) ?? { proxies: 0, current: 0 }
        count.proxies++
        if (isCurrent) count.current++
        counts.set(key, count)
      }
    }
    return counts
  }
}

export function holdingKey({ group, kind, namespace, name, generation }: ResourceName): string {
  return `${kind}.${group} ${namespace}/${name} ${generation}`
}

/** The objects that one proxy should have, and whether all of its streams that should, do. */
function objectsOf(streams: ReadonlySet<Stream>): ReadonlyMap<string, boolean> {
  const objects = new Map<string, boolean>()
  for (const { wanted, held, namespace } of streams) {
    const policy = wanted()
    if (policy === undefined) continue
    const has = held === undefined ? NO_KEYS : held === policy ? undefined : keysIn(held, namespace)
    for (const key of keysIn(policy, namespace)) {
      const isCurrent = has === undefined || has.has(key)
      objects.set(key, isCurrent && objects.get(key) !== false)
    }
  }
  return objects
}

const NO_KEYS: ReadonlySet<string> = new Set()
/** Policies are shared by all who watch them, and are never changed. */
const KEYS = new WeakMap<object, ReadonlySet<string>>()

function keysIn(policy: object, namespace: string): ReadonlySet<string> {
  let keys = KEYS.get(policy)
  if (keys === undefined) {
    const found = new Set<string>()
    collect(policy, namespace, found)
    keys = found
    KEYS.set(policy, keys)
  }
  return keys
}

/** Every `resource` of an origin, wherever in the policy it stands. */
function collect(value: unknown, namespace: string, keys: Set<string>): void {
  if (typeof value !== 'object' || value === null) return
  if ('resource' in value && 'kind' in value && value.kind === 'resource') {
    const resource = value.resource as ResourceName
    keys.add(holdingKey({ ...resource, namespace: resource.namespace || namespace }))
    return
  }
  for (const member of Object.values(value)) collect(member, namespace, keys)
}
