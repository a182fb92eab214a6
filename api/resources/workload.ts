/** Deployment, and the small objects without behaviour: Namespace, ServiceAccount, ConfigMap, Secret. */
import {
  type Check,
  dnsLabel,
  integer,
  isMap,
  object,
  optional,
  required,
  type StringMap,
  string,
  stringMap,
  withDefault,
} from './check.ts'
import { hasLabels, type LabelSelector, labelSelector, nonNegative, type ObjectMeta, objectMeta } from './meta.ts'
import { type PodTemplate, podTemplate } from './pod.ts'

export interface Deployment {
  readonly apiVersion: string
  readonly kind: 'Deployment'
  readonly metadata: ObjectMeta
  readonly spec: DeploymentSpec
  readonly status: DeploymentStatus
}
export interface DeploymentSpec {
  readonly replicas: number
  readonly selector: LabelSelector
  readonly template: PodTemplate
  readonly minReadySeconds?: number
}
export interface DeploymentStatus {
  readonly replicas: number
  readonly readyReplicas: number
}
export interface Namespace {
  readonly apiVersion: string
  readonly kind: 'Namespace'
  readonly metadata: ObjectMeta
}
export interface ServiceAccount {
  readonly apiVersion: string
  readonly kind: 'ServiceAccount'
  readonly metadata: ObjectMeta
}
export interface ConfigMap {
  readonly apiVersion: string
  readonly kind: 'ConfigMap'
  readonly metadata: ObjectMeta
  readonly data: StringMap
}
export interface Secret {
  readonly apiVersion: string
  readonly kind: 'Secret'
  readonly metadata: ObjectMeta
  readonly type: string
  /** Values in base64; `stringData` of a manifest is already merged in. */
  readonly data: StringMap
}

/** More replicas than one controller should start because of a slip of the finger. */
const MAX_REPLICAS = 10_000

export const deployment: Check<Deployment> = object<Deployment>({
  apiVersion: required(string),
  kind: required((value) => value as 'Deployment'),
  metadata: required(objectMeta),
  spec: required(
    object<DeploymentSpec>(
      {
        replicas: withDefault(integer(0, MAX_REPLICAS, 'a number of replicas'), () => 1),
        selector: required(labelSelector),
        template: required(podTemplate),
        minReadySeconds: optional(nonNegative),
      },
      {
        also({ selector, template }, path, report) {
          const { matchLabels, matchExpressions } = selector
          if (Object.keys(matchLabels).length === 0 && matchExpressions.length === 0) {
            report.problem([...path, 'selector'], 'is empty; give matchLabels that the template carries')
          } else if (!hasLabels(template.metadata.labels, matchLabels)) {
            report.problem([...path, 'selector'], 'does not match spec.template.metadata.labels; make the two equal')
          }
        },
      },
    ),
  ),
  status: withDefault(
    object<DeploymentStatus>(
      { replicas: withDefault(nonNegative, () => 0), readyReplicas: withDefault(nonNegative, () => 0) },
      { unknown: 'ignore' },
    ),
    () => ({ replicas: 0, readyReplicas: 0 }),
  ),
})

export const namespace: Check<Namespace> = object<Namespace>(
  { apiVersion: required(string), kind: required((value) => value as 'Namespace'), metadata: required(objectMeta) },
  {
    unknown: 'ignore',
    also({ metadata }, path, report) {
      dnsLabel(metadata.name, [...path, 'metadata', 'name'], report)
    },
  },
)

export const serviceAccount: Check<ServiceAccount> = object<ServiceAccount>(
  {
    apiVersion: required(string),
    kind: required((value) => value as 'ServiceAccount'),
    metadata: required(objectMeta),
  },
  { unknown: 'ignore' },
)

export const configMap: Check<ConfigMap> = object<ConfigMap>({
  apiVersion: required(string),
  kind: required((value) => value as 'ConfigMap'),
  metadata: required(objectMeta),
  data: withDefault(stringMap, () => ({})),
})

const secretFields: Check<Secret> = object<Secret>({
  apiVersion: required(string),
  kind: required((value) => value as 'Secret'),
  metadata: required(objectMeta),
  type: withDefault(string, () => 'Opaque'),
  data: withDefault(base64Map, () => ({})),
})

export const secret: Check<Secret> = (value, path, report) => {
  if (!isMap(value) || value.stringData === undefined) return secretFields(value, path, report)
  const { stringData, ...rest } = value
  const plain = stringMap(stringData, [...path, 'stringData'], report)
  const object = secretFields(rest, path, report)
  if (plain === undefined || object === undefined) return undefined
  const encoded = Object.entries(plain).map(([key, text]) => [key, Buffer.from(text).toString('base64')])
  return { ...object, data: { ...object.data, ...Object.fromEntries(encoded) } }
}

function base64Map(...[value, path, report]: Parameters<Check<StringMap>>): StringMap | undefined {
  const map = stringMap(value, path, report)
  if (map === undefined) return undefined
  let isGood = true
  for (const [key, text] of Object.entries(map)) {
    if (/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(text)) continue
    // The value stays out of the message: it is a secret.
    report.problem([...path, key], 'is not base64; encode it or use stringData')
    isGood = false
  }
  return isGood ? map : undefined
}
