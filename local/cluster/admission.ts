/**
 * The door of the local cluster's store. What Kubernetes' API server and its webhooks do to an object on its way in
 * happens here, in the same batch: addresses for services, a service account per namespace, the sidecar for pods. So
 * no reader ever sees a service without address or a pod before its injection.
 */
import { KINDS, type Kind, nameOf, type Resource, type ResourceOf } from '../../api/resources/kinds.ts'
import { meta } from '../../api/resources/meta.ts'
import type { Pod } from '../../api/resources/pod.ts'
import type { Service } from '../../api/resources/service.ts'
import type { Namespace } from '../../api/resources/workload.ts'
import type {
  Batch,
  ObjectKey,
  ResourceStore,
  StoreListener,
  WritableResourceStore,
} from '../../control/resources/store.ts'
import type { AddressPool } from '../network/addresses.ts'

/** Gives a new pod its sidecar, or hands it back as it is. */
export type InjectPod = (pod: Pod, namespace: Namespace) => Pod

export class AdmittingStore implements WritableResourceStore {
  readonly #store: WritableResourceStore
  readonly #serviceIps: AddressPool
  readonly #inject: InjectPod

  constructor(store: WritableResourceStore, serviceIps: AddressPool, inject: InjectPod) {
    this.#store = store
    this.#serviceIps = serviceIps
    this.#inject = inject
  }

  list<K extends Kind>(kind: K): readonly ResourceOf<K>[] {
    return this.#store.list(kind)
  }
  get<K extends Kind>(kind: K, namespace: string, name: string): ResourceOf<K> | undefined {
    return this.#store.get(kind, namespace, name)
  }
  subscribe(listener: StoreListener): () => void {
    return this.#store.subscribe(listener)
  }
  apply(objects: readonly Resource[]): void {
    this.commit({ apply: objects })
  }
  delete(keys: readonly ObjectKey[]): void {
    this.commit({ delete: keys })
  }

  commit(batch: Batch): void {
    const given = batch.apply ?? []
    const deleted = (batch.delete ?? []).flatMap((key) => [key, ...contentsOf(key, this.#store)])
    for (const { kind, namespace, name } of deleted) {
      if (kind === 'Service') this.#serviceIps.release(`${namespace}/${name}`)
    }
    const apply = given.flatMap((object) => this.#admit(object, given))
    this.#store.commit({ apply, delete: deleted })
  }

  #admit(object: Resource, batch: readonly Resource[]): Resource[] {
    switch (object.kind) {
      case 'Namespace':
        return [object, ...this.#defaultServiceAccount(object)]
      case 'Service':
        return [this.#withAddress(object)]
      case 'Pod':
        return [this.#injected(object, batch)]
      case 'Deployment': {
        const { namespace, name } = object.metadata
        // A manifest says what is wanted; what is there comes from the controller and stays.
        const status = this.#store.get('Deployment', namespace, name)?.status
        return [status === undefined ? object : { ...object, status }]
      }
      default:
        return [object]
    }
  }

  #defaultServiceAccount({ metadata }: Namespace): Resource[] {
    if (this.#store.get('ServiceAccount', metadata.name, 'default') !== undefined) return []
    return [{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: meta({ name: 'default', namespace: metadata.name }) }]
  }

  #withAddress(service: Service): Service {
    const { spec, metadata } = service
    if (spec.clusterIP === 'None' || spec.type === 'ExternalName') return service
    const owner = `${metadata.namespace}/${metadata.name}`
    if (spec.clusterIP !== '') {
      this.#serviceIps.reserve(spec.clusterIP, owner)
      return spec.clusterIPs.length > 0 ? service : { ...service, spec: { ...spec, clusterIPs: [spec.clusterIP] } }
    }
    const clusterIP = this.#serviceIps.take(owner)
    if (clusterIP === undefined) throw new Error(`${nameOf(service)}: all service addresses are taken; delete services`)
    return { ...service, spec: { ...spec, clusterIP, clusterIPs: [clusterIP] } }
  }

  #injected(pod: Pod, batch: readonly Resource[]): Pod {
    // Only on the way in: a pod that is there already comes by again with every change of its status.
    if (this.#store.get('Pod', pod.metadata.namespace, pod.metadata.name) !== undefined) return pod
    const namespace =
      batch.find(
        (each): each is Namespace => each.kind === 'Namespace' && each.metadata.name === pod.metadata.namespace,
      ) ?? this.#store.get('Namespace', '', pod.metadata.namespace)
    return namespace === undefined ? pod : this.#inject(pod, namespace)
  }
}

/** What goes with a namespace. Pods are left to their controller, which ends them first. */
function contentsOf({ kind, name }: ObjectKey, store: ResourceStore): ObjectKey[] {
  if (kind !== 'Namespace') return []
  const contained = (Object.keys(KINDS) as Kind[]).filter((each) => KINDS[each].isNamespaced && each !== 'Pod')
  return contained.flatMap((each) =>
    (store.list(each) as readonly Resource[])
      .filter(({ metadata }) => metadata.namespace === name)
      .map(({ metadata }) => ({ kind: each, namespace: name, name: metadata.name })),
  )
}
