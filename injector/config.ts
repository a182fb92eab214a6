/**
 * What the installation says about injected pods: where the control plane is, and the proxy's settings where no
 * annotation says otherwise. Made once from the install values; the defaults are Linkerd's, but for image and
 * version.
 */

import { type PortSet, portSetOf } from '../api/port-set.ts'
import {
  DEFAULT_CLUSTER_DOMAIN,
  DEFAULT_CLUSTER_NETWORKS,
  DEFAULT_CONTROL_PLANE_NS,
  DEFAULT_OPAQUE_PORTS,
  DEFAULT_SKIP_PORTS,
  DefaultPolicy,
  Port,
  PROXY_UID,
} from '../api/vocabulary.ts'
import type { EnvVar } from './pod.ts'

export interface InjectorConfig {
  readonly controlPlaneNamespace: string
  readonly clusterDomain: string
  /** The domain of identities; the cluster's unless two clusters share anchors under one name. */
  readonly trustDomain: string
  /** The anchors as PEM text; the proxy gets them inline. */
  readonly trustAnchorsPem: string
  /** Where discovery is asked about addresses; everything else is outside. */
  readonly clusterNetworks: readonly string[]
  /** Of this installation: what `linkerd.io/created-by` names. */
  readonly createdBy: string
  readonly disableIPv6: boolean
  /** A CNI plugin sets the redirect rules: pods get a container that checks them instead of one that needs NET_ADMIN. */
  readonly cniEnabled: boolean
  /** Whether the proxy's token is a projected one with its own audience; else it is the pod's ordinary one. */
  readonly tokenProjection: boolean
  readonly proxy: ProxySettings
  readonly proxyInit: ProxyInitConfig
  readonly networkValidator: NetworkValidatorConfig
  /** Absent: the proxies send no traces. */
  readonly tracing?: TracingConfig
}

/** What annotations may change, pod by pod. Times are whole milliseconds. */
export interface ProxySettings {
  readonly image: string
  readonly version: string
  readonly imagePullPolicy: string
  readonly debugImage: string
  readonly debugVersion: string
  readonly debugPullPolicy: string
  readonly isDebugEnabled: boolean
  readonly controlPort: number
  readonly inboundPort: number
  readonly outboundPort: number
  readonly adminPort: number
  readonly skipInboundPorts: PortSet
  readonly skipOutboundPorts: PortSet
  readonly skipSubnets: readonly string[]
  readonly opaquePorts: PortSet
  /** Resources are Kubernetes quantities; the empty text leaves one out. */
  readonly cpuRequest: string
  readonly cpuLimit: string
  /** 0 leaves it out. */
  readonly cpuRatioLimit: number
  readonly memoryRequest: string
  readonly memoryLimit: string
  readonly ephemeralStorageRequest: string
  readonly ephemeralStorageLimit: string
  readonly uid: number
  /** -1 leaves the group to the image. */
  readonly gid: number
  readonly logLevel: string
  readonly logFormat: 'plain' | 'json'
  readonly logHttpHeaders: 'off' | 'insecure' | ''
  readonly accessLog: 'apache' | 'json' | ''
  readonly isAdminShutdownEnabled: boolean
  /** 0 leaves it to the proxy. */
  readonly shutdownGracePeriodMs: number
  readonly defaultInboundPolicy: DefaultPolicy
  readonly requireIdentityInboundPorts: PortSet
  readonly hasMetricsHostnameLabels: boolean
  readonly inboundConnectTimeoutMs: number
  readonly outboundConnectTimeoutMs: number
  readonly inboundDiscoveryCacheUnusedTimeoutMs: number
  readonly outboundDiscoveryCacheUnusedTimeoutMs: number
  readonly isInboundDetectTimeoutDisabled: boolean
  readonly isOutboundDetectTimeoutDisabled: boolean
  readonly hasExternalProfiles: boolean
  readonly isGateway: boolean
  /** 0 leaves the kernel's value. */
  readonly closeWaitTimeoutMs: number
  readonly isAwaited: boolean
  readonly isNativeSidecar: boolean
  readonly waitBeforeExitSeconds: number
  readonly additionalEnv: readonly EnvVar[]
}

export interface ProxyInitConfig {
  /** `nft` uses nft itself, or iptables where the image or kernel lacks it. */
  readonly iptablesMode: 'nft' | 'legacy'
  readonly runAsRoot: boolean
  readonly privileged: boolean
  /** Empty leaves it to the program. */
  readonly logLevel: string
  readonly logFormat: string
  /** Control-plane pods talk to the API server without a proxy between. */
  readonly kubeApiServerPorts: PortSet
}

export interface NetworkValidatorConfig {
  readonly logLevel: string
  readonly logFormat: string
  /** An address nobody has: only a redirect can bring the connection back. */
  readonly connectAddress: string
  readonly timeout: string
}

export interface TracingConfig {
  readonly collectorAddress: string
  /** The collector's mesh identity. */
  readonly collectorName: string
  readonly serviceName: string
}

export const DEFAULT_PROXY_SETTINGS: ProxySettings = {
  image: 'weft',
  version: '0.1.0',
  imagePullPolicy: 'IfNotPresent',
  debugImage: 'weft-debug',
  debugVersion: '0.1.0',
  debugPullPolicy: 'IfNotPresent',
  isDebugEnabled: false,
  controlPort: Port.control,
  inboundPort: Port.inbound,
  outboundPort: Port.outbound,
  adminPort: Port.admin,
  skipInboundPorts: portSetOf(DEFAULT_SKIP_PORTS),
  skipOutboundPorts: portSetOf(DEFAULT_SKIP_PORTS),
  skipSubnets: [],
  opaquePorts: portSetOf(DEFAULT_OPAQUE_PORTS),
  cpuRequest: '',
  cpuLimit: '',
  cpuRatioLimit: 0,
  memoryRequest: '',
  memoryLimit: '',
  ephemeralStorageRequest: '',
  ephemeralStorageLimit: '',
  uid: PROXY_UID,
  gid: -1,
  logLevel: 'warn,linkerd=info,hickory=error',
  logFormat: 'plain',
  logHttpHeaders: 'off',
  accessLog: '',
  isAdminShutdownEnabled: false,
  shutdownGracePeriodMs: 0,
  defaultInboundPolicy: DefaultPolicy.allUnauthenticated,
  requireIdentityInboundPorts: [],
  hasMetricsHostnameLabels: false,
  inboundConnectTimeoutMs: 100,
  outboundConnectTimeoutMs: 1_000,
  inboundDiscoveryCacheUnusedTimeoutMs: 90_000,
  outboundDiscoveryCacheUnusedTimeoutMs: 5_000,
  isInboundDetectTimeoutDisabled: false,
  isOutboundDetectTimeoutDisabled: false,
  hasExternalProfiles: false,
  isGateway: false,
  closeWaitTimeoutMs: 0,
  isAwaited: true,
  isNativeSidecar: true,
  waitBeforeExitSeconds: 0,
  additionalEnv: [],
}

/** What an installation may leave out. The anchors it may not: without them a proxy trusts nobody. */
export type InjectorConfigInput = Partial<Omit<InjectorConfig, 'proxy' | 'proxyInit' | 'networkValidator'>> & {
  readonly trustAnchorsPem: string
  readonly proxy?: Partial<ProxySettings>
  readonly proxyInit?: Partial<ProxyInitConfig>
  readonly networkValidator?: Partial<NetworkValidatorConfig>
}

export function injectorConfig(input: InjectorConfigInput): InjectorConfig {
  const { proxy, proxyInit, networkValidator, ...given } = input
  const settings = { ...DEFAULT_PROXY_SETTINGS, ...proxy }
  const disableIPv6 = given.disableIPv6 ?? true
  const clusterDomain = given.clusterDomain ?? DEFAULT_CLUSTER_DOMAIN
  return {
    controlPlaneNamespace: DEFAULT_CONTROL_PLANE_NS,
    trustDomain: clusterDomain,
    clusterNetworks: DEFAULT_CLUSTER_NETWORKS,
    createdBy: `weft/proxy-injector ${settings.version}`,
    cniEnabled: false,
    tokenProjection: true,
    ...given,
    clusterDomain,
    disableIPv6,
    proxy: settings,
    proxyInit: {
      iptablesMode: 'nft',
      runAsRoot: false,
      privileged: false,
      logLevel: '',
      logFormat: '',
      kubeApiServerPorts: portSetOf([443, 6443]),
      ...proxyInit,
    },
    networkValidator: {
      logLevel: 'debug',
      logFormat: 'plain',
      connectAddress: disableIPv6 ? '1.1.1.1:20001' : '[fd00::1]:20001',
      timeout: '10s',
      ...networkValidator,
    },
  }
}
