/** The kinds of objects that Weft knows, by name. A new kind is a line in each of the two tables. */
import {
  type AuthorizationPolicy,
  authorizationPolicy,
  type MeshTlsAuthentication,
  meshTlsAuthentication,
  type NetworkAuthentication,
  networkAuthentication,
} from './authorization-policy.ts'
import type { Check } from './check.ts'
import { type EgressNetwork, egressNetwork } from './egress-network.ts'
import { type ExternalWorkload, externalWorkload } from './external-workload.ts'
import { type GrpcRoute, grpcRoute } from './grpc-route.ts'
import { gatewayHttpRoute, type HttpRoute, policyHttpRoute } from './http-route.ts'
import { type Pod, pod } from './pod.ts'
import { type HttpLocalRateLimitPolicy, httpLocalRateLimitPolicy } from './rate-limit-policy.ts'
import { GATEWAY_GROUP, POLICY_GROUP } from './reference.ts'
import { type ReferenceGrant, referenceGrant } from './reference-grant.ts'
import { type Server, server } from './server.ts'
import { type ServerAuthorization, serverAuthorization } from './server-authorization.ts'
import { type EndpointSlice, endpointSlice, type Service, service } from './service.ts'
import { type ServiceProfile, serviceProfile } from './service-profile.ts'
import { type TcpRoute, type TlsRoute, tcpRoute, tlsRoute } from './stream-route.ts'
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
  readonly Server: Server
  readonly ServerAuthorization: ServerAuthorization
  readonly AuthorizationPolicy: AuthorizationPolicy
  readonly MeshTLSAuthentication: MeshTlsAuthentication
  readonly NetworkAuthentication: NetworkAuthentication
  readonly HTTPLocalRateLimitPolicy: HttpLocalRateLimitPolicy
  readonly EgressNetwork: EgressNetwork
  readonly HTTPRoute: HttpRoute
  /** Linkerd's own group has a kind of the same name. */
  readonly 'HTTPRoute.policy.linkerd.io': HttpRoute
  readonly GRPCRoute: GrpcRoute
  readonly TLSRoute: TlsRoute
  readonly TCPRoute: TcpRoute
  readonly ReferenceGrant: ReferenceGrant
  readonly ExternalWorkload: ExternalWorkload
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
  Server: {
    apiVersions: [
      'policy.linkerd.io/v1beta3',
      'policy.linkerd.io/v1beta2',
      'policy.linkerd.io/v1beta1',
      'policy.linkerd.io/v1alpha1',
    ],
    isNamespaced: true,
    plural: 'servers',
    shortNames: ['srv'],
    check: server,
  },
  ServerAuthorization: {
    apiVersions: ['policy.linkerd.io/v1beta1', 'policy.linkerd.io/v1alpha1'],
    isNamespaced: true,
    plural: 'serverauthorizations',
    shortNames: ['saz', 'serverauthz', 'srvauthz'],
    check: serverAuthorization,
  },
  AuthorizationPolicy: {
    apiVersions: ['policy.linkerd.io/v1alpha1'],
    isNamespaced: true,
    plural: 'authorizationpolicies',
    shortNames: ['authzpolicy'],
    check: authorizationPolicy,
  },
  MeshTLSAuthentication: {
    apiVersions: ['policy.linkerd.io/v1alpha1'],
    isNamespaced: true,
    plural: 'meshtlsauthentications',
    shortNames: ['meshtlsauthn'],
    check: meshTlsAuthentication,
  },
  NetworkAuthentication: {
    apiVersions: ['policy.linkerd.io/v1alpha1'],
    isNamespaced: true,
    plural: 'networkauthentications',
    shortNames: ['netauthn', 'networkauthn'],
    check: networkAuthentication,
  },
  HTTPLocalRateLimitPolicy: {
    apiVersions: ['policy.linkerd.io/v1alpha1'],
    isNamespaced: true,
    plural: 'httplocalratelimitpolicies',
    shortNames: [],
    check: httpLocalRateLimitPolicy,
  },
  EgressNetwork: {
    apiVersions: ['policy.linkerd.io/v1alpha1'],
    isNamespaced: true,
    plural: 'egressnetworks',
    shortNames: [],
    check: egressNetwork,
  },
  HTTPRoute: {
    apiVersions: ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1beta1'],
    isNamespaced: true,
    plural: 'httproutes',
    shortNames: [],
    check: gatewayHttpRoute,
  },
  'HTTPRoute.policy.linkerd.io': {
    apiVersions: [
      'policy.linkerd.io/v1beta3',
      'policy.linkerd.io/v1beta2',
      'policy.linkerd.io/v1beta1',
      'policy.linkerd.io/v1alpha1',
    ],
    isNamespaced: true,
    plural: 'httproutes.policy.linkerd.io',
    shortNames: [],
    check: policyHttpRoute,
  },
  GRPCRoute: {
    apiVersions: ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1alpha2'],
    isNamespaced: true,
    plural: 'grpcroutes',
    shortNames: [],
    check: grpcRoute,
  },
  TLSRoute: {
    apiVersions: [
      'gateway.networking.k8s.io/v1',
      'gateway.networking.k8s.io/v1alpha3',
      'gateway.networking.k8s.io/v1alpha2',
    ],
    isNamespaced: true,
    plural: 'tlsroutes',
    shortNames: [],
    check: tlsRoute,
  },
  TCPRoute: {
    apiVersions: ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1alpha2'],
    isNamespaced: true,
    plural: 'tcproutes',
    shortNames: [],
    check: tcpRoute,
  },
  ReferenceGrant: {
    apiVersions: ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1beta1'],
    isNamespaced: true,
    plural: 'referencegrants',
    shortNames: ['refgrant'],
    check: referenceGrant,
  },
  ExternalWorkload: {
    apiVersions: ['workload.linkerd.io/v1beta1', 'workload.linkerd.io/v1alpha1'],
    isNamespaced: true,
    plural: 'externalworkloads',
    shortNames: [],
    check: externalWorkload,
  },
}

export function isKind(name: string): name is Kind {
  return Object.hasOwn(KINDS, name)
}

/**
 * The kind of an object by its own fields: two groups may have a kind of one name, and then that of the second is
 * followed by its group.
 */
export function kindOf({ kind, apiVersion }: { readonly kind: string; readonly apiVersion: string }): Kind | undefined {
  const [group = ''] = apiVersion.split('/')
  const full = `${kind}.${group}`
  if (isKind(full)) return full
  return isKind(kind) ? kind : undefined
}

/** Kinds that decide over traffic: fields of them that are not known are remembered (`ObjectMeta.unknownFields`). */
export function isPolicyKind(kind: Kind): boolean {
  const [group] = KINDS[kind].apiVersions[0].split('/')
  return group === POLICY_GROUP || group === GATEWAY_GROUP
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
  readonly apiVersion?: string
  readonly metadata: { readonly namespace: string; readonly name: string }
}): string {
  const { namespace, name } = object.metadata
  const kind = kindOf({ kind: object.kind, apiVersion: object.apiVersion ?? '' }) ?? object.kind
  return `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`
}
