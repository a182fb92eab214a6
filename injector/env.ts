/**
 * The environment of an injected proxy, in the order that Kubernetes reads it: `$(name)` in a value refers to a
 * variable further up.
 */
import { formatPortSet, type PortSet } from '../api/port-set.ts'
import {
  ContainerName,
  ENV_PREFIX,
  Identity,
  MeshLabel,
  meshIdentity,
  Port,
  ServiceAccountName,
  ServiceName,
  serviceFqdn,
} from '../api/vocabulary.ts'
import type { InjectorConfig, ProxySettings } from './config.ts'
import type { EnvVar, Pod } from './pod.ts'
import { SERVICE_ACCOUNT_MOUNT } from './skip.ts'
import { PODINFO_DIRECTORY, traceAttributes } from './tracing.ts'
import { quantityValue } from './value-kinds.ts'

export interface EnvInput {
  readonly pod: Pod
  readonly config: InjectorConfig
  readonly settings: ProxySettings
  readonly isIngress: boolean
  /** As the pod serves them, comma-separated. */
  readonly inboundPorts: string
  readonly opaquePorts: PortSet
  readonly additional: readonly EnvVar[]
}

/** A detection that never gives up: longer than any connection waits. */
const NO_DETECT_TIMEOUT = '365d'

/** `undefined` leaves a variable out. */
type Entry = readonly [name: string, value: string | undefined]

export function proxyEnv(input: EnvInput): EnvVar[] {
  return [
    fromPod('_pod_name', 'metadata.name'),
    fromPod('_pod_ns', 'metadata.namespace'),
    fromPod('_pod_uid', 'metadata.uid'),
    fromPod('_pod_ip', 'status.podIP'),
    fromPod('_pod_nodeName', 'spec.nodeName'),
    { name: '_pod_containerName', value: ContainerName.proxy },
    ...variables(process(input)),
    ...variables(controlPlane(input)),
    ...variables(timeouts(input)),
    ...variables(listeners(input)),
    fromPod(`${ENV_PREFIX}INBOUND_IPS`, 'status.podIPs'),
    ...variables(protocols(input)),
    fromPod('_pod_sa', 'spec.serviceAccountName'),
    { name: '_l5d_ns', value: input.config.controlPlaneNamespace },
    { name: '_l5d_trustdomain', value: input.config.trustDomain },
    ...variables(identity(input)),
    ...input.additional,
  ]
}

function process({ settings }: EnvInput): Entry[] {
  const cores = wholeCores(settings.cpuRequest) ?? 1
  const requireIdentity = formatPortSet(settings.requireIdentityInboundPorts)
  const headers = settings.logHttpHeaders === 'insecure' ? '' : ',[{headers}]=off,[{request}]=off'
  return [
    ['CORES', String(cores)],
    ['CORES_MIN', String(cores)],
    ['CORES_MAX', wholeCores(settings.cpuLimit)?.toString()],
    ['CORES_MAX_RATIO', settings.cpuRatioLimit > 0 ? String(settings.cpuRatioLimit) : undefined],
    ['INBOUND_PORTS_REQUIRE_IDENTITY', requireIdentity || undefined],
    ['SHUTDOWN_ENDPOINT_ENABLED', String(settings.isAdminShutdownEnabled)],
    ['LOG', `${settings.logLevel}${headers}`],
    ['LOG_FORMAT', settings.logFormat],
  ]
}

function controlPlane(input: EnvInput): Entry[] {
  const { config, settings } = input
  const networks = config.clusterNetworks.join(',')
  return [
    [
      'DESTINATION_SVC_ADDR',
      controlPlaneAddress(input, 'destination', ServiceName.destinationHeadless, Port.destination),
    ],
    ['DESTINATION_PROFILE_NETWORKS', networks],
    ['POLICY_SVC_ADDR', controlPlaneAddress(input, 'destination', ServiceName.policy, Port.policy)],
    ['POLICY_WORKLOAD', '{"ns":"$(_pod_ns)", "pod":"$(_pod_name)"}\n'],
    ['INBOUND_DEFAULT_POLICY', settings.defaultInboundPolicy],
    ['POLICY_CLUSTER_NETWORKS', networks],
    ['CONTROL_STREAM_INITIAL_TIMEOUT', '3s'],
    ['CONTROL_STREAM_IDLE_TIMEOUT', '5m'],
    ['CONTROL_STREAM_LIFETIME', '1h'],
  ]
}

function timeouts({ settings }: EnvInput): Entry[] {
  return [
    ['INBOUND_CONNECT_TIMEOUT', milliseconds(settings.inboundConnectTimeoutMs)],
    ['OUTBOUND_CONNECT_TIMEOUT', milliseconds(settings.outboundConnectTimeoutMs)],
    ['OUTBOUND_DISCOVERY_IDLE_TIMEOUT', wholeSeconds(settings.outboundDiscoveryCacheUnusedTimeoutMs)],
    ['INBOUND_DISCOVERY_IDLE_TIMEOUT', wholeSeconds(settings.inboundDiscoveryCacheUnusedTimeoutMs)],
    ['OUTBOUND_DETECT_TIMEOUT', settings.isOutboundDetectTimeoutDisabled ? NO_DETECT_TIMEOUT : undefined],
    ['INBOUND_DETECT_TIMEOUT', settings.isInboundDetectTimeoutDisabled ? NO_DETECT_TIMEOUT : undefined],
  ]
}

function listeners({ config, settings }: EnvInput): Entry[] {
  const any = config.disableIPv6 ? '0.0.0.0' : '[::]'
  const outbound = `127.0.0.1:${settings.outboundPort}`
  return [
    ['CONTROL_LISTEN_ADDR', `${any}:${settings.controlPort}`],
    ['ADMIN_LISTEN_ADDR', `${any}:${settings.adminPort}`],
    ['OUTBOUND_LISTEN_ADDR', outbound],
    ['OUTBOUND_LISTEN_ADDRS', config.disableIPv6 ? outbound : `${outbound},[::1]:${settings.outboundPort}`],
    ['INBOUND_LISTEN_ADDR', `${any}:${settings.inboundPort}`],
  ]
}

function protocols(input: EnvInput): Entry[] {
  const { config, settings } = input
  const suffix = `svc.${config.clusterDomain}.`
  return [
    ['INBOUND_PORTS', input.inboundPorts],
    ['INBOUND_GATEWAY_SUFFIXES', settings.isGateway ? suffix : undefined],
    ['INGRESS_MODE', input.isIngress ? 'true' : undefined],
    ['DESTINATION_PROFILE_SUFFIXES', settings.hasExternalProfiles ? '.' : suffix],
    ['INBOUND_ACCEPT_KEEPALIVE', '10000ms'],
    ['OUTBOUND_CONNECT_KEEPALIVE', '10000ms'],
    ['INBOUND_ACCEPT_USER_TIMEOUT', '30s'],
    ['OUTBOUND_CONNECT_USER_TIMEOUT', '30s'],
    ['OUTBOUND_METRICS_HOSTNAME_LABELS', String(settings.hasMetricsHostnameLabels)],
    ...tracing(input),
    ['INBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL', '10s'],
    ['INBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT', '3s'],
    ['OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL', '10s'],
    ['OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT', '3s'],
    ['INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION', formatPortSet(input.opaquePorts) || undefined],
    ['DESTINATION_CONTEXT', '{"ns":"$(_pod_ns)", "nodeName":"$(_pod_nodeName)", "pod":"$(_pod_name)"}\n'],
  ]
}

function tracing({ config, pod }: EnvInput): Entry[] {
  if (config.tracing === undefined) return []
  return [
    ['TRACE_ATTRIBUTES_PATH', `${PODINFO_DIRECTORY}/labels`],
    ['TRACE_PROTOCOL', 'opentelemetry'],
    ['TRACE_SERVICE_NAME', config.tracing.serviceName],
    ['TRACE_COLLECTOR_SVC_ADDR', config.tracing.collectorAddress],
    ['TRACE_COLLECTOR_SVC_NAME', config.tracing.collectorName],
    ['TRACE_EXTRA_ATTRIBUTES', traceAttributes(pod)],
  ]
}

function identity(input: EnvInput): Entry[] {
  const { config, settings } = input
  const { controlPlaneNamespace: controlPlaneNs, trustDomain } = config
  const nameOf = (serviceAccount: string) =>
    meshIdentity({ serviceAccount, namespace: controlPlaneNs, controlPlaneNs, trustDomain })
  const destination = nameOf(ServiceAccountName.destination)
  return [
    ['IDENTITY_DIR', Identity.endEntityDirectory],
    ['IDENTITY_TRUST_ANCHORS', config.trustAnchorsPem],
    ['IDENTITY_TOKEN_FILE', config.tokenProjection ? Identity.tokenFile : `${SERVICE_ACCOUNT_MOUNT}/token`],
    ['IDENTITY_SVC_ADDR', controlPlaneAddress(input, 'identity', ServiceName.identityHeadless, Port.identity)],
    [
      'IDENTITY_LOCAL_NAME',
      meshIdentity({ serviceAccount: '$(_pod_sa)', namespace: '$(_pod_ns)', controlPlaneNs, trustDomain }),
    ],
    ['IDENTITY_SVC_NAME', nameOf(ServiceAccountName.identity)],
    ['DESTINATION_SVC_NAME', destination],
    ['POLICY_SVC_NAME', destination],
    ['ACCESS_LOG', settings.accessLog || undefined],
    [
      'SHUTDOWN_GRACE_PERIOD',
      settings.shutdownGracePeriodMs > 0 ? milliseconds(settings.shutdownGracePeriodMs) : undefined,
    ],
  ]
}

/**
 * The trailing dot keeps resolvers from trying search paths. A proxy inside the control plane reaches the component
 * of its own pod over loopback, which needs neither identity nor policy and so breaks the circle at start.
 */
function controlPlaneAddress({ pod, config }: EnvInput, component: string, service: string, port: number): string {
  const own = pod.metadata?.labels?.[MeshLabel.controlPlaneComponent]
  const host =
    own === component ? 'localhost' : serviceFqdn(service, config.controlPlaneNamespace, config.clusterDomain)
  return `${host}.:${port}`
}

function variables(entries: readonly Entry[]): EnvVar[] {
  return entries.flatMap(([name, value]) => (value === undefined ? [] : [{ name: `${ENV_PREFIX}${name}`, value }]))
}

/** The downward API. */
function fromPod(name: string, fieldPath: string): EnvVar {
  return { name, valueFrom: { fieldRef: { fieldPath } } }
}

/** Whole cores, rounded up; `undefined` without a quantity. */
function wholeCores(quantity: string): number | undefined {
  const cores = quantityValue(quantity)
  // 0.1 + 0.2 arithmetic must not make 2 cores 3: a thousandth of a millicore is nothing.
  return cores === undefined ? undefined : Math.max(1, Math.ceil(cores - 1e-6))
}

function milliseconds(ms: number): string {
  return `${ms}ms`
}

function wholeSeconds(ms: number): string {
  return `${Math.floor(ms / 1_000)}s`
}
