/** The kinds of objects that Weft knows, by name. A new kind is a line in each of the two tables. */
import type { Check } from './check.ts'
import { type Pod, pod } from './pod.ts'
import { type EndpointSlice, endpointSlice, type Service, service } from './service.ts'
import { type ServiceProfile, serviceProfile } from './service-profile.ts'
import {
  type ConfigMap,
  configMap,
  type Deployment,
  deployment,
  type Namespace,
  namespace,
  type Secret,
  type ServiceAccount,
  secret,
  serviceAccount,
} from './workload.ts'

export interface Kinds {
  readonly Namespace: Namespace
  readonly ServiceAccount: ServiceAccount
  readonly ConfigMap: ConfigMap
  readonly Secret: Secret
  readonly Service: Service
  readonly EndpointSlice: EndpointSlice
  readonly Deployment: Deployment
  readonly Pod: Pod
  readonly ServiceProfile: ServiceProfile
}
export type Kind = keyof Kinds
export type ResourceOf<K extends Kind> = Kinds[K]
export type Resource = Kinds[Kind]

export interface KindDefinition<K extends Kind> {
  /** First is the one to write; the others are read as well. */
  readonly apiVersions: readonly [string, ...string[]]
  readonly isNamespaced: boolean
  readonly plural: string
  readonly shortNames: readonly string[]
  readonly check: Check<ResourceOf<K>>
}

export const KINDS: { readonly [K in Kind]: KindDefinition<K> } = {
  Namespace: { apiVersions: ['v1'], isNamespaced: false, plural: 'namespaces', shortNames: ['ns'], check: namespace },
  ServiceAccount: {
    apiVersions: ['v1'],
    isNamespaced: true,
    plural: 'serviceaccounts',
    shortNames: ['sa'],
    check: serviceAccount,
  },
  ConfigMap: { apiVersions: ['v1'], isNamespaced: true, plural: 'configmaps', shortNames: ['cm'], check: configMap },
  Secret: { apiVersions: ['v1'], isNamespaced: true, plural: 'secrets', shortNames: [], check: secret },
  Service: { apiVersions: ['v1'], isNamespaced: true, plural: 'services', shortNames: ['svc'], check: service },
  EndpointSlice: {
    apiVersions: ['discovery.k8s.io/v1'],
    isNamespaced: true,
    plural: 'endpointslices',
    shortNames: ['endpoints', 'ep'],
    check: endpointSlice,
  },
  Deployment: {
    apiVersions: ['apps/v1'],
    isNamespaced: true,
    plural: 'deployments',
    shortNames: ['deploy'],
    check: deployment,
  },
  Pod: { apiVersions: ['v1'], isNamespaced: true, plural: 'pods', shortNames: ['po'], check: pod },
  ServiceProfile: {
    apiVersions: ['linkerd.io/v1alpha2', 'linkerd.io/v1alpha1'],
    isNamespaced: true,
    plural: 'serviceprofiles',
    shortNames: ['sp'],
    check: serviceProfile,
  },
}

export function isKind(name: string): name is Kind {
  return Object.hasOwn(KINDS, name)
}

/** The kind a user means by `pod`, `pods`, `po` or `Pod`. */
export function findKind(name: string): Kind | undefined {
  const wanted = name.toLowerCase()
  return (Object.keys(KINDS) as Kind[]).find((kind) => {
    const { plural, shortNames } = KINDS[kind]
    return kind.toLowerCase() === wanted || plural === wanted || shortNames.includes(wanted)
  })
}

/** `Service shop/web`, as messages name an object. */
export function nameOf(object: {
  readonly kind: string
  readonly metadata: { readonly namespace: string; readonly name: string }
}): string {
  const { namespace, name } = object.metadata
  return `${object.kind} ${namespace === '' ? '' : `${namespace}/`}${name}`
}
