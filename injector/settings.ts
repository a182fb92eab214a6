/**
 * Which annotation changes which setting of the proxy: one row per annotation.
 *
 * A value that cannot be read leaves the setting as the installation has it, and a warning says so.
 */
import { DefaultPolicy, ProxyConfig as Key } from '../api/vocabulary.ts'
import type { ProxySettings } from './config.ts'
import {
  boolean,
  durationMs,
  enabled,
  groupId,
  oneOf,
  oneOfAnyCase,
  port,
  ports,
  quantity,
  ratio,
  seconds,
  subnets,
  text,
  userId,
  type ValueKind,
} from './value-kinds.ts'

export interface ReadSettings {
  readonly settings: ProxySettings
  /** One sentence each: key, value, what is used instead. */
  readonly warnings: readonly string[]
}

interface Row {
  readonly key: string
  readonly isInherited: boolean
  /** The setting that the text asks for, or `undefined`. */
  read(given: string): Partial<ProxySettings> | undefined
  readonly expected: string
  /** The setting as text. */
  show(settings: ProxySettings): string
}

const POD = { isInherited: false }
const PULL_POLICY = oneOf('Always', 'IfNotPresent', 'Never')

const ROWS: readonly Row[] = [
  row(Key.proxyImage, 'image', text),
  row(Key.proxyVersion, 'version', text),
  row(Key.imagePullPolicy, 'imagePullPolicy', PULL_POLICY),
  row(Key.debugImage, 'debugImage', text, POD),
  row(Key.debugImageVersion, 'debugVersion', text, POD),
  row(Key.debugImagePullPolicy, 'debugPullPolicy', PULL_POLICY, POD),
  row(Key.enableDebugSidecar, 'isDebugEnabled', boolean),
  row(Key.controlPort, 'controlPort', port),
  row(Key.inboundPort, 'inboundPort', port),
  row(Key.outboundPort, 'outboundPort', port),
  row(Key.adminPort, 'adminPort', port),
  row(Key.skipInboundPorts, 'skipInboundPorts', ports),
  row(Key.skipOutboundPorts, 'skipOutboundPorts', ports),
  row(Key.skipSubnets, 'skipSubnets', subnets),
  row(Key.proxyCpuRequest, 'cpuRequest', quantity),
  row(Key.proxyCpuLimit, 'cpuLimit', quantity),
  row(Key.proxyCpuRatioLimit, 'cpuRatioLimit', ratio, POD),
  row(Key.proxyMemoryRequest, 'memoryRequest', quantity),
  row(Key.proxyMemoryLimit, 'memoryLimit', quantity),
  row(Key.proxyEphemeralStorageRequest, 'ephemeralStorageRequest', quantity),
  row(Key.proxyEphemeralStorageLimit, 'ephemeralStorageLimit', quantity),
  row(Key.proxyUid, 'uid', userId),
  row(Key.proxyGid, 'gid', groupId),
  row(Key.proxyLogLevel, 'logLevel', text),
  row(Key.proxyLogFormat, 'logFormat', oneOf('plain', 'json')),
  row(Key.proxyLogHttpHeaders, 'logHttpHeaders', oneOf('off', 'insecure', '')),
  row(Key.accessLog, 'accessLog', oneOfAnyCase('apache', 'json', '')),
  row(Key.proxyAdminShutdown, 'isAdminShutdownEnabled', enabled),
  row(Key.shutdownGracePeriod, 'shutdownGracePeriodMs', durationMs),
  row(Key.defaultInboundPolicy, 'defaultInboundPolicy', oneOf(...Object.values(DefaultPolicy))),
  row(Key.requireIdentityInboundPorts, 'requireIdentityInboundPorts', ports),
  row(Key.metricsHostnameLabels, 'hasMetricsHostnameLabels', boolean),
  row(Key.inboundConnectTimeout, 'inboundConnectTimeoutMs', durationMs),
  row(Key.outboundConnectTimeout, 'outboundConnectTimeoutMs', durationMs),
  row(Key.inboundDiscoveryCacheUnusedTimeout, 'inboundDiscoveryCacheUnusedTimeoutMs', durationMs),
  row(Key.outboundDiscoveryCacheUnusedTimeout, 'outboundDiscoveryCacheUnusedTimeoutMs', durationMs),
  row(Key.disableInboundDetectTimeout, 'isInboundDetectTimeoutDisabled', boolean),
  row(Key.disableOutboundDetectTimeout, 'isOutboundDetectTimeoutDisabled', boolean),
  row(Key.enableExternalProfiles, 'hasExternalProfiles', boolean),
  row(Key.enableGateway, 'isGateway', boolean, POD),
  row(Key.closeWaitTimeout, 'closeWaitTimeoutMs', durationMs, POD),
  row(Key.proxyAwait, 'isAwaited', enabled),
  row(Key.waitBeforeExitSeconds, 'waitBeforeExitSeconds', seconds),
  // A later row wins: the stable key over beta over alpha.
  row(Key.enableNativeSidecarAlpha, 'isNativeSidecar', boolean),
  row(Key.enableNativeSidecarBeta, 'isNativeSidecar', boolean, POD),
  row(Key.enableNativeSidecar, 'isNativeSidecar', boolean),
]

export const INHERITED_SETTING_KEYS: readonly string[] = ROWS.filter(({ isInherited }) => isInherited).map(
  ({ key }) => key,
)

/** The installation's settings with what the annotations say over them. */
export function readSettings(defaults: ProxySettings, annotations: ReadonlyMap<string, string>): ReadSettings {
  const warnings: string[] = []
  let settings = defaults
  for (const { key, read, expected, show } of ROWS) {
    const given = annotations.get(key)
    if (given === undefined) continue
    const changed = read(given)
    if (changed === undefined) warnings.push(`${key}: "${given}" is not ${expected}; ${show(settings)} is used instead`)
    else settings = { ...settings, ...changed }
  }
  return { settings, warnings }
}

/** Whether the annotation asks for something else than the settings say. Keys and values not known here always do. */
export function changesSetting(settings: ProxySettings, key: string, given: string): boolean {
  const known = ROWS.find((row) => row.key === key)
  const changed = known?.read(given)
  return (
    known === undefined || changed === undefined || known.show({ ...settings, ...changed }) !== known.show(settings)
  )
}

function row<Name extends keyof ProxySettings>(
  key: string,
  name: Name,
  kind: ValueKind<ProxySettings[Name]>,
  { isInherited } = { isInherited: true },
): Row {
  return {
    key,
    isInherited,
    read(given) {
      const value = kind.parse(given)
      return value === undefined ? undefined : { [name]: value }
    },
    expected: kind.name,
    show(settings) {
      const shown = kind.format(settings[name])
      return shown === '' ? 'none' : shown
    },
  }
}
