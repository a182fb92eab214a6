/**
 * The store, seen by what proxies ask for: addresses and service names.
 *
 * What is looked up often is derived: computed on first use and dropped when a kind it reads changes, so a burst of
 * changes costs one computation.
 */

import { canonicalIp } from '../../api/ip.ts'
import type { ExternalWorkload } from '../../api/resources/external-workload.ts'
import type { Kind, ResourceOf } from '../../api/resources/kinds.ts'
import type { Container, Pod } from '../../api/resources/pod.ts'
import type { EndpointSlice, Service } from '../../api/resources/service.ts'
import { KubernetesLabel } from '../../api/vocabulary.ts'
import type { ResourceStore, StoreListener } from '../resources/store.ts'
import type { ClusterConfig } from './config.ts'

/** A pure function of the cluster that reads objects of `kinds` and of no other kind, and no status of policy objects. */
export interface Derived<T> {
  readonly kinds: readonly Kind[]
  readonly compute: (cluster: Cluster) => T
}

/** Objects of one kind by keys, in the order of namespace and name. */
export type Grouped<K extends Kind> = Derived<ReadonlyMap<string, readonly ResourceOf<K>[]>>

export function grouped<K extends Kind>(kind: K, keysOf: (object: ResourceOf<K>) => readonly string[]): Grouped<K> {
  return {
    kinds: [kind],
    compute(cluster) {
      const map = new Map<string, ResourceOf<K>[]>()
      for (const object of cluster.list(kind)) {
        for (const key of new Set(keysOf(object))) {
          const list = map.get(key)
          if (list === undefined) map.set(key, [object])
          else list.push(object)
        }
      }
      return map
    },
  }
}

const SERVICES_BY_IP = grouped('Service', clusterIps)
const PODS_BY_IP = grouped('Pod', podIps)
const EXTERNAL_WORKLOADS_BY_IP = grouped('ExternalWorkload', externalIps)
const PODS_BY_HOST_IP = grouped('Pod', hostIps)
const SLICES_BY_SERVICE = grouped('EndpointSlice', serviceOfSlice)
/** A node's zone is what the endpoints that run there tell: the first one that does. */
const ZONE_OF_NODE: Derived<ReadonlyMap<string, string>> = {
  kinds: ['EndpointSlice'],
  compute(cluster) {
    const zones = new Map<string, string>()
    for (const { endpoints } of cluster.list('EndpointSlice')) {
      for (const { nodeName, zone } of endpoints) {
        if (nodeName !== undefined && zone !== undefined && !zones.has(nodeName)) zones.set(nodeName, zone)
      }
    }
    return zones
  },
}

export class Cluster {
  readonly config: ClusterConfig
  readonly #store: ResourceStore
  readonly #listeners = new Set<StoreListener>()
  readonly #unsubscribe: () => void
  readonly #derived = new Map<Derived<unknown>, unknown>()
  /** The kinds that were read since `tracked` began, by whom it runs. */
  #read: Set<Kind> | undefined = undefined

  constructor(store: ResourceStore, config: ClusterConfig) {
    this.#store = store
    this.config = config
    this.#unsubscribe = store.subscribe((changed, wanted) => {
      for (const derived of this.#derived.keys()) {
        if (derived.kinds.some((kind) => wanted.has(kind))) this.#derived.delete(derived)
      }
      for (const listener of [...this.#listeners]) listener(changed, wanted)
    })
  }

  /** Called after every batch of changes, with the kinds of its objects. */
  subscribe(listener: StoreListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    this.#unsubscribe()
  }

  get<K extends Kind>(kind: K, namespace: string, name: string): ResourceOf<K> | undefined {
    this.#read?.add(kind)
    return this.#store.get(kind, namespace, name)
  }

  /** Ordered by namespace and name. */
  list<K extends Kind>(kind: K): readonly ResourceOf<K>[] {
    this.#read?.add(kind)
    return this.#store.list(kind)
  }

  derived<T>(wanted: Derived<T>): T {
    // Also when it was computed for somebody else.
    for (const kind of wanted.kinds) this.#read?.add(kind)
    if (!this.#derived.has(wanted)) this.#derived.set(wanted, wanted.compute(this))
    return this.#derived.get(wanted) as T
  }

  group<K extends Kind>(wanted: Grouped<K>, key: string): readonly ResourceOf<K>[] {
    return this.derived(wanted).get(key) ?? []
  }

  servicesAt(ip: string): readonly Service[] {
    return this.group(SERVICES_BY_IP, ip)
  }

  /** Pods that own this address and have not ended. */
  podsAt(ip: string): readonly Pod[] {
    return this.group(PODS_BY_IP, ip)
  }

  externalWorkloadsAt(ip: string): readonly ExternalWorkload[] {
    return this.group(EXTERNAL_WORKLOADS_BY_IP, ip)
  }

  /** Pods that are reached through a port of their node. */
  podsAtHostPort(ip: string, port: number): readonly { readonly pod: Pod; readonly containerPort: number }[] {
    return this.group(PODS_BY_HOST_IP, ip).flatMap((pod) =>
      allContainers(pod)
        .flatMap(({ ports }) => ports)
        .filter(({ hostPort, protocol }) => hostPort === port && protocol === 'TCP')
        .map(({ containerPort }) => ({ pod, containerPort })),
    )
  }

  slicesOf(namespace: string, service: string): readonly EndpointSlice[] {
    return this.group(SLICES_BY_SERVICE, `${namespace}/${service}`)
  }

  /** Empty when it is not known. */
  zoneOfNode(nodeName: string): string {
    return this.derived(ZONE_OF_NODE).get(nodeName) ?? ''
  }

  /**
   * Runs `compute` and says which kinds it read: while none of them is `wanted` (`StoreListener`), its result is the same.
   */
  tracked<T>(compute: () => T): { readonly value: T; readonly kinds: ReadonlySet<Kind> } {
    const outer = this.#read
    const kinds = new Set<Kind>()
    this.#read = kinds
    try {
      return { value: compute(), kinds }
    } finally {
      this.#read = outer
    }
  }
}

/** Init containers too: a native sidecar is one. */
export function allContainers({ spec }: Pod): readonly Container[] {
  return [...spec.initContainers, ...spec.containers]
}

function clusterIps({ spec }: Service): readonly string[] {
  if (spec.type === 'ExternalName') return []
  // `None` is the address of a headless service and no address.
  return canonical([spec.clusterIP, ...spec.clusterIPs])
}

function podIps({ metadata, spec, status }: Pod): readonly string[] {
  const isGone = status.phase === 'Succeeded' || status.phase === 'Failed' || metadata.deletionTimestamp !== undefined
  if (isGone || spec.hostNetwork) return []
  return canonical([status.podIP, ...status.podIPs.map(({ ip }) => ip)])
}

function externalIps({ metadata, spec }: ExternalWorkload): readonly string[] {
  return metadata.deletionTimestamp === undefined ? canonical(spec.workloadIPs.map(({ ip }) => ip)) : []
}

function hostIps(pod: Pod): readonly string[] {
  const { metadata, status } = pod
  if (status.phase === 'Succeeded' || status.phase === 'Failed' || metadata.deletionTimestamp !== undefined) return []
  const hasHostPort = allContainers(pod).some(({ ports }) => ports.some(({ hostPort }) => hostPort !== undefined))
  return hasHostPort ? canonical([status.hostIP]) : []
}

function serviceOfSlice({ metadata }: EndpointSlice): readonly string[] {
  const service = metadata.labels[KubernetesLabel.serviceName]
  return service === undefined ? [] : [`${metadata.namespace}/${service}`]
}

function canonical(ips: readonly string[]): readonly string[] {
  return ips.flatMap((ip) => canonicalIp(ip) ?? [])
}
