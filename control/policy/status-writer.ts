/**
 * Writes the status of policy objects back to where they come from.
 *
 * Only one replica of the control plane does; all of them make policies by the same judgement, whether or not it has
 * been written yet.
 */
import { isDeepStrictEqual } from 'node:util'
import { type Kind, nameOf, type Resource } from '../../api/resources/kinds.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { type Holders, holdingKey, NOBODY } from './holders.ts'
import { resourceName } from './index/origin.ts'
import { ROUTE_KINDS } from './index/route-attachment.ts'
import { egressStatus, PROGRAMMED, type Programming, rateLimitStatus, routeStatus } from './index/status.ts'

/** Takes the whole new status of an object; what it keeps of it comes back through the store. */
export type WriteStatus = (object: Resource, status: object) => void

export interface StatusWriterOptions {
  readonly cluster: Cluster
  readonly holders: Holders
  readonly write: WriteStatus
  readonly nowMs: () => number
  /**
   * How long after its making proxies may still be on their way back from another control plane, or from this one before
   * it was started again. Until then nobody is `weft.dev/Programmed`, for one that is not counted yet may hold anything.
   */
  readonly settleMs: number
}

/** Counts of proxies move all the time; alone they are written this often at most. */
const COUNT_INTERVAL_MS = 10_000

interface Written {
  readonly version: string
  readonly status: object
}

export class StatusWriter {
  readonly #options: StatusWriterOptions
  /** What was written last and has perhaps not come back yet, by object. */
  readonly #written = new Map<string, Written>()
  readonly #settledAtMs: number = 0
  #countsWrittenAtMs = Number.NEGATIVE_INFINITY

  constructor(options: StatusWriterOptions) {
    this.#options = options
    this.#settledAtMs = options.nowMs() + options.settleMs
  }

  /** After a change of the cluster or of what proxies hold, and every ten seconds. */
  refresh(): void {
    const { cluster, holders, nowMs } = this.#options
    const now = new Date(nowMs()).toISOString()
    const holdings = holders.count()
    const isSettled = nowMs() >= this.#settledAtMs
    const holdingOf = (object: Resource): Programming => ({
      ...(holdings.get(holdingKey(resourceName(object))) ?? NOBODY),
      isSettled,
    })
    const withCounts = nowMs() - this.#countsWrittenAtMs >= COUNT_INTERVAL_MS
    if (withCounts) this.#countsWrittenAtMs = nowMs()
    const seen = new Set<string>()
    const each = <R extends Resource & { readonly status?: object }>(
      objects: readonly R[],
      statusOf: (object: R) => object | undefined,
    ) => {
      for (const object of objects) {
        seen.add(nameOf(object))
        const status = statusOf(object)
        if (status !== undefined) this.#write(object, object.status, status, withCounts)
      }
    }
    for (const kind of ROUTE_KINDS)
      each(cluster.list(kind), (route) => routeStatus(cluster, route, holdingOf(route), now))
    each(cluster.list('EgressNetwork'), (network) => egressStatus(cluster, network, holdingOf(network), now))
    each(cluster.list('HTTPLocalRateLimitPolicy'), (policy) => rateLimitStatus(cluster, policy, holdingOf(policy), now))
    for (const name of this.#written.keys()) if (!seen.has(name)) this.#written.delete(name)
  }

  #write(object: Resource, before: object | undefined, status: object, withCounts: boolean): void {
    if (isDeepStrictEqual(before, status)) return
    const name = nameOf(object)
    const version = object.metadata.resourceVersion
    const last = this.#written.get(name)
    // Once in a while again, should it have been lost.
    if (!withCounts && last?.version === version && isDeepStrictEqual(last.status, status)) return
    if (
      !withCounts &&
      isDeepStrictEqual(withoutCounts(last?.version === version ? last.status : before), withoutCounts(status))
    )
      return
    this.#written.set(name, { version, status })
    this.#options.write(object, status)
  }
}

/** Kinds that have a status of ours. */
export const STATUS_KINDS: readonly Kind[] = [...ROUTE_KINDS, 'EgressNetwork', 'HTTPLocalRateLimitPolicy']

function withoutCounts(status: unknown): unknown {
  if (Array.isArray(status)) return status.map(withoutCounts)
  if (typeof status !== 'object' || status === null) return status
  if ('type' in status && status.type === PROGRAMMED) return { ...status, message: '' }
  return Object.fromEntries(Object.entries(status).map(([key, value]) => [key, withoutCounts(value)]))
}
