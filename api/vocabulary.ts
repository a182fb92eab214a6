/**
 * The names a mesh user meets: annotations, labels, ports, headers, identities, environment.
 *
 * They are Linkerd's, so that manifests, dashboards and other tools work unchanged. What only Weft knows
 * lives under `weft.dev/`. Every name is written once, here.
 */

/** Annotations and labels that switch injection, and where they may stand. */
export const Inject = {
  /** Annotation on namespace or pod: `enabled`, `disabled` or `ingress`. */
  annotation: 'linkerd.io/inject',
  enabled: 'enabled',
  disabled: 'disabled',
  ingress: 'ingress',
  /** Label on a namespace: `disabled` keeps every webhook away from it. */
  webhooksLabel: 'config.linkerd.io/admission-webhooks',
} as const

const CONFIG = 'config.linkerd.io'

/** Configuration of the proxy, on pods and mostly on namespaces too (the injector knows which). */
export const ProxyConfig = {
  prefix: `${CONFIG}/`,
  proxyImage: `${CONFIG}/proxy-image`,
  proxyVersion: `${CONFIG}/proxy-version`,
  imagePullPolicy: `${CONFIG}/image-pull-policy`,
  debugImage: `${CONFIG}/debug-image`,
  debugImageVersion: `${CONFIG}/debug-image-version`,
  debugImagePullPolicy: `${CONFIG}/debug-image-pull-policy`,
  enableDebugSidecar: `${CONFIG}/enable-debug-sidecar`,
  controlPort: `${CONFIG}/control-port`,
  inboundPort: `${CONFIG}/inbound-port`,
  outboundPort: `${CONFIG}/outbound-port`,
  adminPort: `${CONFIG}/admin-port`,
  podInboundPorts: `${CONFIG}/pod-inbound-ports`,
  skipInboundPorts: `${CONFIG}/skip-inbound-ports`,
  skipOutboundPorts: `${CONFIG}/skip-outbound-ports`,
  skipSubnets: `${CONFIG}/skip-subnets`,
  /** Also on a Service, where the numbers are Service ports. */
  opaquePorts: `${CONFIG}/opaque-ports`,
  proxyCpuRequest: `${CONFIG}/proxy-cpu-request`,
  proxyCpuLimit: `${CONFIG}/proxy-cpu-limit`,
  proxyCpuRatioLimit: `${CONFIG}/proxy-cpu-ratio-limit`,
  proxyMemoryRequest: `${CONFIG}/proxy-memory-request`,
  proxyMemoryLimit: `${CONFIG}/proxy-memory-limit`,
  proxyEphemeralStorageRequest: `${CONFIG}/proxy-ephemeral-storage-request`,
  proxyEphemeralStorageLimit: `${CONFIG}/proxy-ephemeral-storage-limit`,
  proxyUid: `${CONFIG}/proxy-uid`,
  proxyGid: `${CONFIG}/proxy-gid`,
  proxyLogLevel: `${CONFIG}/proxy-log-level`,
  proxyLogFormat: `${CONFIG}/proxy-log-format`,
  proxyLogHttpHeaders: `${CONFIG}/proxy-log-http-headers`,
  accessLog: `${CONFIG}/access-log`,
  proxyAdminShutdown: `${CONFIG}/proxy-admin-shutdown`,
  shutdownGracePeriod: `${CONFIG}/shutdown-grace-period`,
  /** Read by the policy controller as well. */
  defaultInboundPolicy: `${CONFIG}/default-inbound-policy`,
  /** Read by the policy controller only: these ports get the authenticated variant of their default policy. */
  requireIdentityInboundPorts: `${CONFIG}/proxy-require-identity-inbound-ports`,
  metricsHostnameLabels: `${CONFIG}/proxy-metrics-hostname-labels`,
  inboundConnectTimeout: `${CONFIG}/proxy-inbound-connect-timeout`,
  outboundConnectTimeout: `${CONFIG}/proxy-outbound-connect-timeout`,
  inboundDiscoveryCacheUnusedTimeout: `${CONFIG}/proxy-inbound-discovery-cache-unused-timeout`,
  outboundDiscoveryCacheUnusedTimeout: `${CONFIG}/proxy-outbound-discovery-cache-unused-timeout`,
  disableInboundDetectTimeout: `${CONFIG}/proxy-disable-inbound-protocol-detect-timeout`,
  disableOutboundDetectTimeout: `${CONFIG}/proxy-disable-outbound-protocol-detect-timeout`,
  enableExternalProfiles: `${CONFIG}/enable-external-profiles`,
  enableGateway: `${CONFIG}/enable-gateway`,
  closeWaitTimeout: `${CONFIG}/close-wait-timeout`,
  proxyAwait: `${CONFIG}/proxy-await`,
  enableNativeSidecar: `${CONFIG}/proxy-enable-native-sidecar`,
  enableNativeSidecarBeta: 'config.beta.linkerd.io/proxy-enable-native-sidecar',
  enableNativeSidecarAlpha: 'config.alpha.linkerd.io/proxy-enable-native-sidecar',
  waitBeforeExitSeconds: 'config.alpha.linkerd.io/proxy-wait-before-exit-seconds',
  proxyAdditionalEnv: `${CONFIG}/proxy-additional-env`,
} as const

/** Pod annotations with this prefix become attributes of traces. */
export const TRACE_ATTRIBUTE_PREFIX = 'resource.opentelemetry.io/'

/** Traffic policy on Services, EgressNetworks and routes. Durations: one unsigned integer with ms, s, m, h or d. */
export const TrafficPolicy = {
  retryHttp: 'retry.linkerd.io/http',
  retryGrpc: 'retry.linkerd.io/grpc',
  retryLimit: 'retry.linkerd.io/limit',
  retryTimeout: 'retry.linkerd.io/timeout',
  timeoutRequest: 'timeout.linkerd.io/request',
  timeoutResponse: 'timeout.linkerd.io/response',
  timeoutIdle: 'timeout.linkerd.io/idle',
  failureAccrual: 'balancer.linkerd.io/failure-accrual',
  consecutiveMaxFailures: 'balancer.linkerd.io/failure-accrual-consecutive-max-failures',
  consecutiveMaxPenalty: 'balancer.linkerd.io/failure-accrual-consecutive-max-penalty',
  consecutiveMinPenalty: 'balancer.linkerd.io/failure-accrual-consecutive-min-penalty',
  consecutiveJitterRatio: 'balancer.linkerd.io/failure-accrual-consecutive-jitter-ratio',
  successRateThreshold: 'balancer.alpha.linkerd.io/failure-accrual-success-rate-threshold',
  successRateWindow: 'balancer.alpha.linkerd.io/failure-accrual-success-rate-window',
  successRateMinRequests: 'balancer.alpha.linkerd.io/failure-accrual-success-rate-min-requests',
  honorRetryAfter: 'balancer.alpha.linkerd.io/failure-accrual-honor-retry-after',
  penalizeFailures: 'balancer.alpha.linkerd.io/penalize-failures',
  loadBiaserPenalty: 'balancer.alpha.linkerd.io/load-biaser-penalty',
  loadBiaserMaxRetryAfter: 'balancer.alpha.linkerd.io/load-biaser-max-retry-after',
  minReadyEndpoints: 'balancer.weft.dev/failure-accrual-min-ready-endpoints',
  affinityHeader: 'balancer.weft.dev/session-affinity-header',
  affinityCookie: 'balancer.weft.dev/session-affinity-cookie',
  affinityCookiePath: 'balancer.weft.dev/session-affinity-cookie-path',
  affinityCookieTtl: 'balancer.weft.dev/session-affinity-cookie-ttl',
  affinityMaxLoad: 'balancer.weft.dev/session-affinity-max-load',
  slowStartWindow: 'balancer.weft.dev/slow-start-window',
} as const

/** What injector and control plane write onto objects. */
export const MeshLabel = {
  /** Its presence on a pod is what "meshed" means; the value is the namespace of the pod's control plane. */
  controlPlaneNs: 'linkerd.io/control-plane-ns',
  workloadNs: 'linkerd.io/workload-ns',
  controlPlaneComponent: 'linkerd.io/control-plane-component',
  isControlPlane: 'linkerd.io/is-control-plane',
  extension: 'linkerd.io/extension',
  cniResource: 'linkerd.io/cni-resource',
  /** Followed by the lower-case kind of the pod's top-level owner: `linkerd.io/proxy-deployment`. */
  ownerPrefix: 'linkerd.io/proxy-',
} as const

export const MeshAnnotation = {
  createdBy: 'linkerd.io/created-by',
  proxyVersion: 'linkerd.io/proxy-version',
  /** Lower-case hexadecimal SHA-256 of the trust anchors' PEM text. */
  trustRootSha256: 'linkerd.io/trust-root-sha256',
} as const

/** Labels and annotations of Kubernetes itself that discovery reads. */
export const KubernetesLabel = {
  zone: 'topology.kubernetes.io/zone',
  serviceName: 'kubernetes.io/service-name',
  podTemplateHash: 'pod-template-hash',
  appInstance: 'app.kubernetes.io/instance',
  appName: 'app.kubernetes.io/name',
} as const

/** Weft's own, for what Linkerd has no word. */
export const WEFT_PREFIX = 'weft.dev/'

export const Port = {
  outbound: 4140,
  inbound: 4143,
  /** Tap; `control` in the names of the environment. */
  control: 4190,
  admin: 4191,
  identity: 8080,
  destination: 8086,
  policy: 8090,
} as const

/** Names of container ports on the proxy. */
export const PortName = { inbound: 'linkerd-proxy', admin: 'linkerd-admin' } as const

/** Ports whose servers speak first or whose protocols detection would disturb, unless an annotation says otherwise. */
export const DEFAULT_OPAQUE_PORTS: readonly number[] = [25, 587, 3306, 4444, 5432, 6379, 9300, 11211]
/** Not redirected unless an annotation says otherwise. */
export const DEFAULT_SKIP_PORTS: readonly number[] = [4567, 4568]
/** What counts as inside the cluster (private, carrier-grade NAT and unique local addresses). */
export const DEFAULT_CLUSTER_NETWORKS: readonly string[] = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '172.16.0.0/12',
  '192.168.0.0/16',
  'fd00::/8',
]

export const PROXY_UID = 2102
export const CONTROL_PLANE_UID = 2103
/** The init container runs as nobody. */
export const INIT_UID = 65534

export const ContainerName = {
  proxy: 'linkerd-proxy',
  init: 'linkerd-init',
  networkValidator: 'linkerd-network-validator',
  debug: 'linkerd-debug',
} as const

export const VolumeName = {
  xtablesLock: 'linkerd-proxy-init-xtables-lock',
  endEntity: 'linkerd-identity-end-entity',
  token: 'linkerd-identity-token',
  podinfo: 'linkerd-podinfo',
} as const

export const DEFAULT_CONTROL_PLANE_NS = 'linkerd'
export const DEFAULT_CLUSTER_DOMAIN = 'cluster.local'
/** EgressNetworks of this namespace apply to all namespaces. */
export const DEFAULT_EGRESS_NS = 'linkerd-egress'

/** Control-plane service accounts; the destination's serves policy too. */
export const ServiceAccountName = {
  destination: 'linkerd-destination',
  identity: 'linkerd-identity',
  proxyInjector: 'linkerd-proxy-injector',
} as const

export const ServiceName = {
  destinationHeadless: 'linkerd-dst-headless',
  policy: 'linkerd-policy',
  identityHeadless: 'linkerd-identity-headless',
} as const

export const Identity = {
  tokenAudience: 'identity.l5d.io',
  tokenLifetimeSeconds: 86_400,
  tokenFile: '/var/run/secrets/tokens/linkerd-identity-token',
  tokenDirectory: '/var/run/secrets/tokens',
  endEntityDirectory: '/var/run/linkerd/identity/end-entity',
  issuerSecret: 'linkerd-identity-issuer',
  trustRootsConfigMap: 'linkerd-identity-trust-roots',
  trustRootsKey: 'ca-bundle.crt',
} as const

/** The DNS-form identity of a service account, which is its certificate's only name. */
export function meshIdentity(workload: {
  readonly serviceAccount: string
  readonly namespace: string
  readonly controlPlaneNs: string
  readonly trustDomain: string
}): string {
  const { serviceAccount, namespace, controlPlaneNs, trustDomain } = workload
  return `${serviceAccount}.${namespace}.serviceaccount.identity.${controlPlaneNs}.${trustDomain}`
}

/** `<service>.<namespace>.svc.<domain>`, without a trailing dot. */
export function serviceFqdn(name: string, namespace: string, clusterDomain: string): string {
  return `${name}.${namespace}.svc.${clusterDomain}`
}

/** Request and response headers, lower case as HTTP/2 wants them. */
export const Header = {
  clientId: 'l5d-client-id',
  dstCanonical: 'l5d-dst-canonical',
  dstOverride: 'l5d-dst-override',
  requireId: 'l5d-require-id',
  origProto: 'l5d-orig-proto',
  proxyError: 'l5d-proxy-error',
  proxyConnection: 'l5d-proxy-connection',
  retryHttp: 'l5d-retry-http',
  retryGrpc: 'l5d-retry-grpc',
  retryLimit: 'l5d-retry-limit',
  retryTimeout: 'l5d-retry-timeout',
  timeout: 'l5d-timeout',
  requestTimeout: 'l5d-request-timeout',
  responseTimeout: 'l5d-response-timeout',
  forwarded: 'forwarded',
} as const

/** Between proxies: what is negotiated, and what opens such a connection before the length and the message. */
export const TRANSPORT_ALPN = 'transport.l5d.io/v1'
export const TRANSPORT_PREFIX = `${TRANSPORT_ALPN}\r\n\r\n`

/** Every variable of the proxy's environment starts with this. */
export const ENV_PREFIX = 'LINKERD2_PROXY_'
/** Exit code for a configuration that cannot be used (EX_USAGE of sysexits.h). */
export const EXIT_BAD_CONFIGURATION = 64

export const DefaultPolicy = {
  deny: 'deny',
  allAuthenticated: 'all-authenticated',
  allUnauthenticated: 'all-unauthenticated',
  clusterAuthenticated: 'cluster-authenticated',
  clusterUnauthenticated: 'cluster-unauthenticated',
  audit: 'audit',
} as const
export type DefaultPolicy = (typeof DefaultPolicy)[keyof typeof DefaultPolicy]

/** Values of a Service port's `appProtocol` that mean something here; any other value means opaque. */
export const AppProtocol = {
  http: 'http',
  h2c: 'kubernetes.io/h2c',
  opaque: 'linkerd.io/opaque',
  tcp: 'linkerd.io/tcp',
} as const
