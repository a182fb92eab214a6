/** Pod: containers, probes, volumes, and its status. The parts of the Kubernetes type that are read or written here. */
import {
  anything,
  array,
  boolean,
  type Check,
  dnsLabel,
  integer,
  object,
  oneOf,
  optional,
  port,
  portName,
  portOrName,
  required,
  string,
  withDefault,
} from './check.ts'
import { nonNegative, type ObjectMeta, objectMeta, type TemplateMeta, templateMeta } from './meta.ts'
import { type Volume, volume } from './volume.ts'

export interface Pod {
  readonly apiVersion: string
  readonly kind: 'Pod'
  readonly metadata: ObjectMeta
  readonly spec: PodSpec
  readonly status: PodStatus
}
export interface PodTemplate {
  readonly metadata: TemplateMeta
  readonly spec: PodSpec
}
export interface PodSpec {
  readonly initContainers: readonly Container[]
  readonly containers: readonly Container[]
  readonly volumes: readonly Volume[]
  readonly serviceAccountName: string
  readonly automountServiceAccountToken?: boolean
  readonly restartPolicy: 'Always' | 'OnFailure' | 'Never'
  readonly terminationGracePeriodSeconds: number
  readonly hostNetwork: boolean
  readonly nodeName?: string
  readonly hostname?: string
  readonly subdomain?: string
  readonly securityContext?: PodSecurityContext
}
export interface PodSecurityContext {
  readonly runAsUser?: number
  readonly runAsGroup?: number
  readonly fsGroup?: number
}
export interface Container {
  readonly name: string
  readonly image: string
  readonly command?: readonly string[]
  readonly args?: readonly string[]
  readonly workingDir?: string
  readonly env: readonly EnvVar[]
  readonly ports: readonly ContainerPort[]
  readonly volumeMounts: readonly VolumeMount[]
  readonly livenessProbe?: Probe
  readonly readinessProbe?: Probe
  readonly startupProbe?: Probe
  readonly lifecycle?: Lifecycle
  /** `Always` on an init container makes it a native sidecar. */
  readonly restartPolicy?: 'Always'
  readonly securityContext?: ContainerSecurityContext
  readonly resources?: unknown
  readonly imagePullPolicy?: string
  readonly terminationMessagePolicy?: string
}
export interface ContainerSecurityContext {
  readonly runAsUser?: number
  readonly runAsGroup?: number
  readonly runAsNonRoot?: boolean
  readonly privileged?: boolean
  readonly allowPrivilegeEscalation?: boolean
  readonly readOnlyRootFilesystem?: boolean
  readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] }
  readonly seccompProfile?: unknown
}
export interface ContainerPort {
  readonly name?: string
  readonly containerPort: number
  readonly protocol: 'TCP' | 'UDP' | 'SCTP'
  readonly hostPort?: number
}
export interface EnvVar {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: EnvVarSource
}
export interface EnvVarSource {
  readonly fieldRef?: { readonly fieldPath: string; readonly apiVersion?: string }
  readonly configMapKeyRef?: KeyRef
  readonly secretKeyRef?: KeyRef
  readonly resourceFieldRef?: unknown
}
export interface KeyRef {
  readonly name: string
  readonly key: string
  readonly optional?: boolean
}
export interface VolumeMount {
  readonly name: string
  readonly mountPath: string
  readonly readOnly?: boolean
  readonly subPath?: string
}
export interface Probe {
  readonly httpGet?: HttpGetAction
  readonly tcpSocket?: { readonly port: number | string; readonly host?: string }
  readonly exec?: { readonly command: readonly string[] }
  readonly grpc?: { readonly port: number; readonly service?: string }
  readonly initialDelaySeconds: number
  readonly timeoutSeconds: number
  readonly periodSeconds: number
  readonly successThreshold: number
  readonly failureThreshold: number
  readonly terminationGracePeriodSeconds?: number
}
export interface HttpGetAction {
  readonly path: string
  readonly port: number | string
  readonly scheme: 'HTTP' | 'HTTPS'
  readonly host?: string
  readonly httpHeaders: readonly { readonly name: string; readonly value: string }[]
}
export interface Lifecycle {
  readonly postStart?: LifecycleHandler
  readonly preStop?: LifecycleHandler
}
export interface LifecycleHandler {
  readonly exec?: { readonly command: readonly string[] }
  readonly sleep?: { readonly seconds: number }
}
export type PodPhase = 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown'
export interface PodStatus {
  readonly phase: PodPhase
  readonly podIP: string
  readonly podIPs: readonly { readonly ip: string }[]
  readonly hostIP: string
  readonly conditions: readonly PodCondition[]
  readonly initContainerStatuses: readonly ContainerStatus[]
  readonly containerStatuses: readonly ContainerStatus[]
  readonly startTime?: string
  readonly reason?: string
  readonly message?: string
}
export interface PodCondition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
}
export interface ContainerStatus {
  readonly name: string
  readonly ready: boolean
  readonly restartCount: number
  readonly started: boolean
}

export const EMPTY_POD_STATUS: PodStatus = {
  phase: 'Pending',
  podIP: '',
  podIPs: [],
  hostIP: '',
  conditions: [],
  initContainerStatuses: [],
  containerStatuses: [],
}

const command = array(string, { min: 1 })
const execAction = object<{ readonly command: readonly string[] }>({ command: required(command) })
const userId = integer(0, 2 ** 31 - 1, 'a user or group id')

const probe: Check<Probe> = object<Probe>(
  {
    httpGet: optional(
      object<HttpGetAction>({
        path: withDefault(string, () => '/'),
        port: required(portOrName),
        scheme: withDefault(oneOf('HTTP', 'HTTPS'), () => 'HTTP' as const),
        host: optional(string),
        httpHeaders: withDefault(
          array(
            object<{ readonly name: string; readonly value: string }>({
              name: required(string),
              value: required(string),
            }),
          ),
          () => [],
        ),
      }),
    ),
    tcpSocket: optional(
      object<NonNullable<Probe['tcpSocket']>>({ port: required(portOrName), host: optional(string) }),
    ),
    exec: optional(execAction),
    grpc: optional(object<NonNullable<Probe['grpc']>>({ port: required(port), service: optional(string) })),
    initialDelaySeconds: withDefault(nonNegative, () => 0),
    timeoutSeconds: withDefault(integer(1, 3_600), () => 1),
    periodSeconds: withDefault(integer(1, 3_600), () => 10),
    successThreshold: withDefault(integer(1, 1_000), () => 1),
    failureThreshold: withDefault(integer(1, 1_000_000), () => 3),
    terminationGracePeriodSeconds: optional(nonNegative),
  },
  {
    also(value, path, report) {
      const given = [value.httpGet, value.tcpSocket, value.exec, value.grpc].filter((each) => each !== undefined)
      if (given.length !== 1) report.problem(path, 'needs exactly one of httpGet, tcpSocket, exec and grpc')
    },
  },
)

const handler: Check<LifecycleHandler> = object<LifecycleHandler>({
  exec: optional(execAction),
  sleep: optional(object<{ readonly seconds: number }>({ seconds: required(nonNegative) })),
})

const keyRef: Check<KeyRef> = object<KeyRef>({
  name: required(string),
  key: required(string),
  optional: optional(boolean),
})

const envVar: Check<EnvVar> = object<EnvVar>(
  {
    name: required(string),
    value: optional(string),
    valueFrom: optional(
      object<EnvVarSource>(
        {
          fieldRef: optional(
            object<NonNullable<EnvVarSource['fieldRef']>>({
              fieldPath: required(string),
              apiVersion: optional(string),
            }),
          ),
          configMapKeyRef: optional(keyRef),
          secretKeyRef: optional(keyRef),
          resourceFieldRef: optional(anything),
        },
        { unknown: 'refuse' },
      ),
    ),
  },
  {
    also({ name, value, valueFrom }, path, report) {
      if (name === '' || name.includes('='))
        report.problem([...path, 'name'], 'an environment variable needs a name without "="')
      if (value !== undefined && valueFrom !== undefined)
        report.problem(path, `${name} has both value and valueFrom; remove one`)
    },
  },
)

export const container: Check<Container> = object<Container>({
  name: required(dnsLabel),
  image: withDefault(string, () => ''),
  command: optional(command),
  args: optional(array(string)),
  workingDir: optional(string),
  env: withDefault(array(envVar), () => []),
  ports: withDefault(
    array(
      object<ContainerPort>({
        name: optional(portName),
        containerPort: required(port),
        protocol: withDefault(oneOf('TCP', 'UDP', 'SCTP'), () => 'TCP' as const),
        hostPort: optional(port),
      }),
    ),
    () => [],
  ),
  volumeMounts: withDefault(
    array(
      object<VolumeMount>({
        name: required(string),
        mountPath: required(string),
        readOnly: optional(boolean),
        subPath: optional(string),
      }),
    ),
    () => [],
  ),
  livenessProbe: optional(probe),
  readinessProbe: optional(probe),
  startupProbe: optional(probe),
  lifecycle: optional(object<Lifecycle>({ postStart: optional(handler), preStop: optional(handler) })),
  restartPolicy: optional(oneOf('Always')),
  securityContext: optional(
    object<ContainerSecurityContext>({
      runAsUser: optional(userId),
      runAsGroup: optional(userId),
      runAsNonRoot: optional(boolean),
      privileged: optional(boolean),
      allowPrivilegeEscalation: optional(boolean),
      readOnlyRootFilesystem: optional(boolean),
      capabilities: optional(
        object<NonNullable<ContainerSecurityContext['capabilities']>>({
          add: optional(array(string)),
          drop: optional(array(string)),
        }),
      ),
      seccompProfile: optional(anything),
    }),
  ),
  resources: optional(anything),
  imagePullPolicy: optional(string),
  terminationMessagePolicy: optional(string),
})

export const podSpec: Check<PodSpec> = object<PodSpec>(
  {
    initContainers: withDefault(array(container), () => []),
    containers: required(array(container, { min: 1, minMessage: 'is empty; a pod needs at least one container' })),
    volumes: withDefault(array(volume), () => []),
    serviceAccountName: withDefault(string, () => 'default'),
    automountServiceAccountToken: optional(boolean),
    restartPolicy: withDefault(oneOf('Always', 'OnFailure', 'Never'), () => 'Always' as const),
    terminationGracePeriodSeconds: withDefault(nonNegative, () => 30),
    hostNetwork: withDefault(boolean, () => false),
    nodeName: optional(string),
    hostname: optional(dnsLabel),
    subdomain: optional(dnsLabel),
    securityContext: optional(
      object<PodSecurityContext>({
        runAsUser: optional(userId),
        runAsGroup: optional(userId),
        fsGroup: optional(userId),
      }),
    ),
  },
  { also: checkReferences },
)

export const podTemplate: Check<PodTemplate> = object<PodTemplate>({
  metadata: withDefault(templateMeta, () => ({ labels: {}, annotations: {} })),
  spec: required(podSpec),
})

const containerStatus: Check<ContainerStatus> = object<ContainerStatus>(
  {
    name: required(string),
    ready: withDefault(boolean, () => false),
    restartCount: withDefault(nonNegative, () => 0),
    started: withDefault(boolean, () => false),
  },
  { unknown: 'ignore' },
)
const podStatus: Check<PodStatus> = object<PodStatus>(
  {
    phase: withDefault(oneOf('Pending', 'Running', 'Succeeded', 'Failed', 'Unknown'), () => 'Pending' as const),
    podIP: withDefault(string, () => ''),
    podIPs: withDefault(array(object<{ readonly ip: string }>({ ip: required(string) })), () => []),
    hostIP: withDefault(string, () => ''),
    conditions: withDefault(
      array(
        object<PodCondition>(
          { type: required(string), status: required(oneOf('True', 'False', 'Unknown')) },
          { unknown: 'ignore' },
        ),
      ),
      () => [],
    ),
    initContainerStatuses: withDefault(array(containerStatus), () => []),
    containerStatuses: withDefault(array(containerStatus), () => []),
    startTime: optional(string),
    reason: optional(string),
    message: optional(string),
  },
  { unknown: 'ignore' },
)

export const pod: Check<Pod> = object<Pod>({
  apiVersion: required(string),
  kind: required((value) => value as 'Pod'),
  metadata: required(objectMeta),
  spec: required(podSpec),
  status: withDefault(podStatus, () => EMPTY_POD_STATUS),
})

/** Names inside a pod that refer to one another: containers, ports, volumes. */
function checkReferences(
  spec: PodSpec,
  path: Parameters<Check<PodSpec>>[1],
  report: Parameters<Check<PodSpec>>[2],
): void {
  const volumes = new Set(spec.volumes.map(({ name }) => name))
  const names = new Set<string>()
  for (const list of ['initContainers', 'containers'] as const) {
    for (const [index, each] of spec[list].entries()) {
      const at = [...path, list, index]
      if (names.has(each.name))
        report.problem([...at, 'name'], `${each.name} is the name of another container of this pod; names must differ`)
      names.add(each.name)
      if (list === 'containers' && each.restartPolicy !== undefined)
        report.problem([...at, 'restartPolicy'], 'is allowed on init containers only')
      for (const [mount, { name }] of each.volumeMounts.entries()) {
        if (!volumes.has(name))
          report.problem(
            [...at, 'volumeMounts', mount, 'name'],
            `no volume of this pod is called ${name}; add it to spec.volumes`,
          )
      }
      const portNames = new Set(each.ports.map((containerPort) => containerPort.name))
      for (const kind of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
        const action = each[kind]?.httpGet ?? each[kind]?.tcpSocket
        if (typeof action?.port === 'string' && !portNames.has(action.port)) {
          report.problem(
            [...at, kind],
            `no port of container ${each.name} is called ${action.port}; add it to its ports`,
          )
        }
      }
    }
  }
}
