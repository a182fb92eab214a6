/**
 * The parts of Kubernetes pods and Services that the patch reads or writes, as they stand in JSON.
 *
 * Nothing here is complete or checked: the API server does that before and after us. Fields without a name here
 * travel along untouched.
 */
export interface Pod {
  readonly apiVersion?: string | undefined
  readonly kind?: string | undefined
  readonly metadata?: ObjectMeta | undefined
  readonly spec?: PodSpec | undefined
}

export interface ObjectMeta {
  readonly name?: string | undefined
  readonly namespace?: string | undefined
  readonly labels?: StringMap | undefined
  readonly annotations?: StringMap | undefined
}

export type StringMap = { readonly [key: string]: string }

export interface PodSpec {
  readonly initContainers?: readonly Container[] | undefined
  readonly containers?: readonly Container[] | undefined
  readonly volumes?: readonly Volume[] | undefined
  readonly hostNetwork?: boolean | undefined
  readonly automountServiceAccountToken?: boolean | undefined
}

export interface Container {
  readonly name: string
  readonly image?: string | undefined
  readonly imagePullPolicy?: string | undefined
  readonly command?: readonly string[] | undefined
  readonly args?: readonly string[] | undefined
  readonly restartPolicy?: string | undefined
  readonly ports?: readonly ContainerPort[] | undefined
  readonly env?: readonly EnvVar[] | undefined
  readonly resources?: unknown
  readonly securityContext?: SecurityContext | undefined
  readonly volumeMounts?: readonly VolumeMount[] | undefined
  readonly livenessProbe?: Probe | undefined
  readonly readinessProbe?: Probe | undefined
  readonly startupProbe?: Probe | undefined
  readonly lifecycle?: unknown
  readonly terminationMessagePolicy?: string | undefined
}

export interface ContainerPort {
  readonly name?: string | undefined
  readonly containerPort: number
  readonly protocol?: string | undefined
}

export interface EnvVar {
  readonly name: string
  readonly value?: string | undefined
  readonly valueFrom?: unknown
}

export interface SecurityContext {
  readonly allowPrivilegeEscalation?: boolean | undefined
  readonly capabilities?: Capabilities | undefined
  readonly privileged?: boolean | undefined
  readonly readOnlyRootFilesystem?: boolean | undefined
  readonly runAsNonRoot?: boolean | undefined
  readonly runAsUser?: number | undefined
  readonly runAsGroup?: number | undefined
  readonly seccompProfile?: unknown
}

export interface Capabilities {
  readonly add?: readonly string[] | undefined
  readonly drop?: readonly string[] | undefined
}

export interface VolumeMount {
  readonly name: string
  readonly mountPath: string
  readonly readOnly?: boolean | undefined
}

/** Its source is one further field, which differs by kind. */
export interface Volume {
  readonly name: string
}

export interface Probe {
  readonly httpGet?: { readonly path?: string | undefined; readonly port: number | string } | undefined
  readonly exec?: { readonly command: readonly string[] } | undefined
  readonly initialDelaySeconds?: number | undefined
  readonly periodSeconds?: number | undefined
  readonly timeoutSeconds?: number | undefined
  readonly failureThreshold?: number | undefined
}

export interface Service {
  readonly metadata?: ObjectMeta | undefined
  readonly spec?:
    | {
        readonly ports?:
          | readonly { readonly port: number; readonly targetPort?: number | string | undefined }[]
          | undefined
      }
    | undefined
}

/** The namespace of the object: its name and what its pods inherit. */
export interface Namespace {
  readonly metadata: {
    readonly name: string
    readonly labels?: StringMap | undefined
    readonly annotations?: StringMap | undefined
  }
}

/** The top of the chain of owners: a Deployment rather than its ReplicaSet, a CronJob rather than its Job. */
export interface Owner {
  readonly kind: string
  readonly name: string
}

export function containersOf(spec: PodSpec | undefined): readonly Container[] {
  return [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]
}
