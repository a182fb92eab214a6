/** The containers that the patch brings: the proxy, and the debug container where it is asked for. */
import { ContainerName, Identity, PortName, VolumeName } from '../api/vocabulary.ts'
import type { InjectorConfig, ProxySettings } from './config.ts'
import type { Container, EnvVar, PodSpec, SecurityContext, VolumeMount } from './pod.ts'
import { SERVICE_ACCOUNT_MOUNT } from './skip.ts'
import { PODINFO_DIRECTORY } from './tracing.ts'

export const RUNTIME_SECCOMP = { type: 'RuntimeDefault' }

/** A start that takes longer is a fault; the kubelet then restarts the proxy. */
const STARTUP_FAILURES = 120
const AWAIT_TIMEOUT = '2m'

export function proxyContainer(
  spec: PodSpec,
  config: InjectorConfig,
  settings: ProxySettings,
  env: readonly EnvVar[],
): Container {
  const startup = settings.isNativeSidecar && settings.isAwaited
  const lifecycle = settings.isNativeSidecar ? undefined : proxyLifecycle(settings)
  const resources = proxyResources(settings)
  return {
    name: ContainerName.proxy,
    image: `${settings.image}:${settings.version}`,
    imagePullPolicy: settings.imagePullPolicy,
    command: ['weft', 'proxy'],
    ...(settings.isNativeSidecar ? { restartPolicy: 'Always' } : {}),
    env,
    ports: [
      { name: PortName.inbound, containerPort: settings.inboundPort },
      { name: PortName.admin, containerPort: settings.adminPort },
    ],
    livenessProbe: {
      httpGet: { path: '/live', port: settings.adminPort },
      initialDelaySeconds: 10,
      timeoutSeconds: 1,
    },
    readinessProbe: {
      httpGet: { path: '/ready', port: settings.adminPort },
      initialDelaySeconds: 2,
      timeoutSeconds: 1,
    },
    ...(startup
      ? {
          startupProbe: {
            httpGet: { path: '/ready', port: settings.adminPort },
            initialDelaySeconds: 0,
            periodSeconds: 1,
            failureThreshold: STARTUP_FAILURES,
          },
        }
      : {}),
    ...(lifecycle === undefined ? {} : { lifecycle }),
    ...(resources === undefined ? {} : { resources }),
    securityContext: proxySecurity(spec, settings),
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: proxyMounts(spec, config),
  }
}

export function debugContainer(settings: ProxySettings): Container {
  const probe = { exec: { command: ['true'] } }
  return {
    name: ContainerName.debug,
    image: `${settings.debugImage}:${settings.debugVersion}`,
    imagePullPolicy: settings.debugPullPolicy,
    livenessProbe: probe,
    readinessProbe: probe,
    terminationMessagePolicy: 'FallbackToLogsOnError',
  }
}

/** Requests and limits that are set; also those of the init container, which would else raise the pod's. */
export function proxyResources(settings: ProxySettings): unknown {
  const requests = quantities(settings.cpuRequest, settings.memoryRequest, settings.ephemeralStorageRequest)
  const limits = quantities(settings.cpuLimit, settings.memoryLimit, settings.ephemeralStorageLimit)
  if (requests === undefined && limits === undefined) return undefined
  return { ...(limits === undefined ? {} : { limits }), ...(requests === undefined ? {} : { requests }) }
}

function quantities(cpu: string, memory: string, ephemeralStorage: string): unknown {
  const given = Object.entries({ cpu, memory, 'ephemeral-storage': ephemeralStorage }).filter(
    ([, value]) => value !== '',
  )
  return given.length === 0 ? undefined : Object.fromEntries(given)
}

/** A classic sidecar: the kubelet starts the next container only once `postStart` ended, and knows no end of its own. */
function proxyLifecycle({ isAwaited, waitBeforeExitSeconds, adminPort }: ProxySettings): unknown {
  if (!isAwaited && waitBeforeExitSeconds === 0) return undefined
  return {
    ...(isAwaited
      ? { postStart: { exec: { command: ['weft', 'await', `--timeout=${AWAIT_TIMEOUT}`, `--port=${adminPort}`] } } }
      : {}),
    // The image has no shell and no sleep; the kubelet sleeps by itself.
    ...(waitBeforeExitSeconds > 0 ? { preStop: { sleep: { seconds: waitBeforeExitSeconds } } } : {}),
  }
}

function proxySecurity(spec: PodSpec, { uid, gid }: ProxySettings): SecurityContext {
  const capabilities = spec.containers?.[0]?.securityContext?.capabilities
  return {
    allowPrivilegeEscalation: false,
    // As the app has them: clusters that force containers to drop capabilities would else refuse the pod.
    ...(capabilities === undefined ? {} : { capabilities }),
    readOnlyRootFilesystem: true,
    runAsNonRoot: true,
    runAsUser: uid,
    ...(gid >= 0 ? { runAsGroup: gid } : {}),
    seccompProfile: RUNTIME_SECCOMP,
  }
}

function proxyMounts(spec: PodSpec, config: InjectorConfig): VolumeMount[] {
  const mounts: VolumeMount[] = [{ name: VolumeName.endEntity, mountPath: Identity.endEntityDirectory }]
  if (config.tokenProjection) mounts.push({ name: VolumeName.token, mountPath: Identity.tokenDirectory })
  const ofServiceAccount = spec.containers?.[0]?.volumeMounts?.find(
    ({ mountPath }) => mountPath === SERVICE_ACCOUNT_MOUNT,
  )
  if (ofServiceAccount !== undefined) mounts.push(ofServiceAccount)
  if (config.tracing !== undefined) mounts.push({ name: VolumeName.podinfo, mountPath: PODINFO_DIRECTORY })
  return mounts
}
