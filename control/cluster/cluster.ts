/**
 * The store, seen by what proxies ask for: addresses and service names.
 *
 * Each lookup is a map over one kind, built on first use and dropped when that kind changes, so a burst of changes
 * costs one rebuild.
 */

import { canonicalIp } from '../../api/ip.ts'
import type { Kind, ResourceOf } from '../../api/resources/kinds.ts'
import type { Container, Pod } from '../../api/resources/pod.ts'
import type { EndpointSlice, Service } from '../../api/resources/service.ts'
import { KubernetesLabel } from '../../api/vocabulary.ts'
import type { ResourceStore } from '../resources/store.ts'
import type { ClusterConfig } from './config.ts'

export class Cluster {
  readonly config: ClusterConfig
  readonly #store: ResourceStore
  readonly #listeners = new Set<() => void>()
  readonly #unsubscribe: () => void
  readonly #servicesByIp = new Lookup<Service>(clusterIps)
  readonly #podsByIp = new Lookup<Pod>(podIps)
  readonly #podsByHostIp = new Lookup<Pod>(hostIps)
  readonly #slicesByService = new Lookup<EndpointSlice>(serviceOfSlice)
  readonly #slicesByNode = new Lookup<EndpointSlice>(nodesOfSlice)
  readonly #lookups: readonly (readonly [Kind, { drop(): void }])[] = [
    ['Service', this.#servicesByIp],
    ['Pod', this.#podsByIp],
    ['Pod', this.#podsByHostIp],
    ['EndpointSlice', this.#slicesByService],
    ['EndpointSlice', this.#slicesByNode],
  ]

  constructor(store: ResourceStore, config: ClusterConfig) {
    this.#store = store
    this.config = config
    this.#unsubscribe = store.subscribe((changed) => {
      for (const [kind, lookup] of this.#lookups) if (changed.has(kind)) lookup.drop()
      for (const listener of [...this.#listeners]) listener()
    })
  }

  /** Called after every batch of changes. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    this.#unsubscribe()
  }

  get<K extends Kind>(kind: K, namespace: string, name: string): ResourceOf<K> | undefined {
    return this.#store.get(kind, namespace, name)
  }

  servicesAt(ip: string): readonly Service[] {
    return this.#servicesByIp.get(ip, () => this.#store.list('Service'))
  }

  /** Pods that own this address and have not ended. */
  podsAt(ip: string): readonly Pod[] {
    return this.#podsByIp.get(ip, () => this.#store.list('Pod'))
  }

  /** Pods that are reached through a port of their node. */
  podsAtHostPort(ip: string, port: number): readonly { readonly pod: Pod; readonly containerPort: number }[] {
    return this.#podsByHostIp
      .get(ip, () => this.#store.list('Pod'))
      .flatMap((pod) =>
        allContainers(pod)
          .flatMap(({ ports }) => ports)
          .filter(({ hostPort, protocol }) => hostPort === port && protocol === 'TCP')
          .map(({ containerPort }) => ({ pod, containerPort })),
      )
  }

  slicesOf(namespace: string, service: string): readonly EndpointSlice[] {
    return this.#slicesByService.get(`${namespace}/${service}`, () => this.#store.list('EndpointSlice'))
  }

  /** A node's zone, as the endpoints that run there tell it; empty when none does. */
  zoneOfNode(nodeName: string): string {
    if (nodeName === '') return ''
    for (const { endpoints } of this.#slicesByNode.get(nodeName, () => this.#store.list('EndpointSlice'))) {
      const zone = endpoints.find((endpoint) => endpoint.nodeName === nodeName && endpoint.zone !== undefined)?.zone
      if (zone !== undefined) return zone
    }
    return ''
  }
}

/** Init containers too: a native sidecar is one. */
export function allContainers({ spec }: Pod): readonly Container[] {
  return [...spec.initContainers, ...spec.containers]
}

class Lookup<T> {
  readonly #keysOf: (object: T) => readonly string[]
  #map: Map<string, T[]> | undefined = undefined

  constructor(keysOf: (object: T) => readonly string[]) {
    this.#keysOf = keysOf
  }

  get(key: string, objects: () => readonly T[]): readonly T[] {
    this.#map ??= this.#build(objects())
    return this.#map.get(key) ?? []
  }

  drop(): void {
    this.#map = undefined
  }

  #build(objects: readonly T[]): Map<string, T[]> {
    const map = new Map<string, T[]>()
    for (const object of objects) {
      for (const key of new Set(this.#keysOf(object))) {
        const list = map.get(key)
        if (list === undefined) map.set(key, [object])
        else list.push(object)
      }
    }
    return map
  }
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

function nodesOfSlice({ endpoints }: EndpointSlice): readonly string[] {
  return endpoints.flatMap(({ nodeName }) => nodeName ?? [])
}

function canonical(ips: readonly string[]): readonly string[] {
  return ips.flatMap((ip) => canonicalIp(ip) ?? [])
}
