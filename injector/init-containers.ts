/**
 * What runs before the pod's own containers: the redirect rules, or with a CNI plugin, which has set them already,
 * the proof that they work.
 */
import { formatPortSet, type PortSet, portSetOf } from '../api/port-set.ts'
import { ContainerName, INIT_UID, MeshLabel, VolumeName } from '../api/vocabulary.ts'
import type { InjectorConfig, ProxySettings } from './config.ts'
import { proxyResources, RUNTIME_SECCOMP } from './containers.ts'
import type { Capabilities, Container, Pod, PodSpec, SecurityContext } from './pod.ts'

const NEEDED_CAPABILITIES = ['NET_ADMIN', 'NET_RAW']

export function initContainer(pod: Pod, config: InjectorConfig, settings: ProxySettings): Container {
  return config.cniEnabled ? networkValidator(config, settings) : redirect(pod, config, settings)
}

function redirect(pod: Pod, config: InjectorConfig, settings: ProxySettings): Container {
  return {
    name: ContainerName.init,
    ...image(settings),
    command: ['weft', 'redirect', 'apply'],
    args: redirectArguments(pod, config, settings),
    ...resources(settings),
    securityContext: redirectSecurity(pod.spec ?? {}, config, settings),
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: [{ name: VolumeName.xtablesLock, mountPath: '/run' }],
  }
}

/** The names of linkerd2-proxy-init, whose arguments people know from `kubectl describe pod`. */
function redirectArguments(pod: Pod, config: InjectorConfig, settings: ProxySettings): string[] {
  const { iptablesMode, logFormat, logLevel, kubeApiServerPorts } = config.proxyInit
  const inbound: PortSet = [...portSetOf([settings.controlPort, settings.adminPort]), ...settings.skipInboundPorts]
  const isControlPlane = pod.metadata?.labels?.[MeshLabel.controlPlaneComponent] !== undefined
  const outbound: PortSet = [...(isControlPlane ? kubeApiServerPorts : []), ...settings.skipOutboundPorts]
  const closeWaitSeconds = Math.trunc(settings.closeWaitTimeoutMs / 1_000)
  return [
    // Left out for nft: it is what the command tries first, with iptables behind it.
    ...(iptablesMode === 'legacy'
      ? ['--firewall-bin-path', 'iptables-legacy', '--firewall-save-bin-path', 'iptables-legacy-save']
      : []),
    ...(config.disableIPv6 ? ['--ipv6=false'] : []),
    ...['--incoming-proxy-port', String(settings.inboundPort)],
    ...['--outgoing-proxy-port', String(settings.outboundPort)],
    ...['--proxy-uid', String(settings.uid)],
    ...flag('--proxy-gid', settings.gid >= 0 ? String(settings.gid) : ''),
    ...['--inbound-ports-to-ignore', formatPortSet(inbound)],
    ...flag('--outbound-ports-to-ignore', formatPortSet(outbound)),
    ...flag('--timeout-close-wait-secs', closeWaitSeconds > 0 ? String(closeWaitSeconds) : ''),
    ...flag('--log-format', logFormat),
    ...flag('--log-level', logLevel),
    ...flag('--subnets-to-ignore', settings.skipSubnets.join(',')),
  ]
}

function flag(name: string, value: string): string[] {
  return value === '' ? [] : [name, value]
}

function redirectSecurity(spec: PodSpec, config: InjectorConfig, settings: ProxySettings): SecurityContext {
  const { runAsRoot, privileged } = config.proxyInit
  // Only a privileged container may write the kernel's settings.
  const isPrivileged = privileged || settings.closeWaitTimeoutMs > 0
  const user = runAsRoot ? 0 : INIT_UID
  return {
    allowPrivilegeEscalation: isPrivileged,
    capabilities: redirectCapabilities(spec),
    privileged: isPrivileged,
    readOnlyRootFilesystem: true,
    runAsNonRoot: !runAsRoot,
    runAsUser: user,
    runAsGroup: user,
    seccompProfile: RUNTIME_SECCOMP,
  }
}

function redirectCapabilities(spec: PodSpec): Capabilities {
  const { add = [], drop = [] } = spec.containers?.[0]?.securityContext?.capabilities ?? {}
  const dropped = drop.filter((capability) => !NEEDED_CAPABILITIES.includes(capability))
  return {
    add: [...new Set([...NEEDED_CAPABILITIES, ...add])],
    ...(dropped.length === 0 ? {} : { drop: dropped }),
  }
}

function networkValidator(config: InjectorConfig, settings: ProxySettings): Container {
  const { logFormat, logLevel, connectAddress, timeout } = config.networkValidator
  const any = config.disableIPv6 ? '0.0.0.0' : '[::]'
  return {
    name: ContainerName.networkValidator,
    ...image(settings),
    command: ['weft', 'redirect', 'verify'],
    args: [
      ...['--log-format', logFormat],
      ...['--log-level', logLevel],
      ...['--connect-addr', connectAddress],
      ...['--listen-addr', `${any}:${settings.outboundPort}`],
      ...['--timeout', timeout],
    ],
    ...resources(settings),
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      runAsUser: INIT_UID,
      runAsGroup: INIT_UID,
      seccompProfile: RUNTIME_SECCOMP,
    },
    terminationMessagePolicy: 'FallbackToLogsOnError',
  }
}

function image({ image, version, imagePullPolicy }: ProxySettings): Pick<Container, 'image' | 'imagePullPolicy'> {
  return { image: `${image}:${version}`, imagePullPolicy }
}

function resources(settings: ProxySettings): { resources?: unknown } {
  const resources = proxyResources(settings)
  return resources === undefined ? {} : { resources }
}
