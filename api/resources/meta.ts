/** What all objects have: metadata, and how objects select one another by labels. */
import {
  array,
  type Check,
  dnsSubdomain,
  integer,
  object,
  oneOf,
  optional,
  required,
  type StringMap,
  string,
  stringMap,
  withDefault,
} from './check.ts'

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller?: boolean
}

export interface ObjectMeta {
  readonly name: string
  /** Empty for objects without namespace (Namespace). */
  readonly namespace: string
  readonly labels: StringMap
  readonly annotations: StringMap
  readonly ownerReferences: readonly OwnerReference[]
  /** Empty until a store has taken the object in. */
  readonly uid: string
  readonly resourceVersion: string
  /** RFC 3339; empty until a store has taken the object in. */
  readonly creationTimestamp: string
  readonly deletionTimestamp?: string
  readonly generateName?: string
  /** Counts changes of what is wanted, not of what is; 0 until a store has taken the object in. */
  readonly generation: number
  /** Paths of fields that this version does not know, in kinds of policy: who decides by them must not guess. */
  readonly unknownFields?: readonly string[]
}

/** Metadata of an object made by the program itself, with the fields that it does not care about. */
export function meta(given: Partial<ObjectMeta> & { readonly name: string }): ObjectMeta {
  return {
    namespace: '',
    labels: {},
    annotations: {},
    ownerReferences: [],
    uid: '',
    resourceVersion: '',
    creationTimestamp: '',
    generation: 0,
    ...given,
  }
}

const ownerReference: Check<OwnerReference> = object<OwnerReference>(
  {
    apiVersion: required(string),
    kind: required(string),
    name: required(string),
    uid: withDefault(string, () => ''),
    controller: optional((value) => value === true),
  },
  { unknown: 'ignore' },
)

export const objectMeta: Check<ObjectMeta> = object<ObjectMeta>(
  {
    name: required(dnsSubdomain),
    namespace: withDefault(string, () => ''),
    labels: withDefault(stringMap, () => ({})),
    annotations: withDefault(stringMap, () => ({})),
    ownerReferences: withDefault(array(ownerReference), () => []),
    uid: withDefault(string, () => ''),
    resourceVersion: withDefault(string, () => ''),
    creationTimestamp: withDefault(timestamp, () => ''),
    deletionTimestamp: optional(timestamp),
    generateName: optional(string),
    generation: withDefault(integer(0, Number.MAX_SAFE_INTEGER), () => 0),
    unknownFields: optional(array(string)),
  },
  { unknown: 'ignore' },
)

/** Metadata of a pod template: the pod's name and namespace come from elsewhere. */
export interface TemplateMeta {
  readonly labels: StringMap
  readonly annotations: StringMap
}
export const templateMeta: Check<TemplateMeta> = object<TemplateMeta>(
  { labels: withDefault(stringMap, () => ({})), annotations: withDefault(stringMap, () => ({})) },
  { unknown: 'ignore' },
)

export interface LabelSelector {
  readonly matchLabels: StringMap
  readonly matchExpressions: readonly LabelExpression[]
}
export interface LabelExpression {
  readonly key: string
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
  readonly values: readonly string[]
}

export const labelSelector: Check<LabelSelector> = object<LabelSelector>(
  {
    matchLabels: withDefault(stringMap, () => ({})),
    matchExpressions: withDefault(
      array(
        object<LabelExpression>(
          {
            key: required(string),
            operator: required(oneOf('In', 'NotIn', 'Exists', 'DoesNotExist')),
            values: withDefault(array(string), () => []),
          },
          {
            unknown: 'refuse',
            also({ operator, values }, path, report) {
              const needsValues = operator === 'In' || operator === 'NotIn'
              if (needsValues && values.length === 0)
                report.problem([...path, 'values'], `is empty; ${operator} needs values`)
              if (!needsValues && values.length > 0)
                report.problem([...path, 'values'], `${operator} takes no values; remove them`)
            },
          },
        ),
      ),
      () => [],
    ),
  },
  { unknown: 'refuse' },
)

/** Whether `labels` satisfy `selector`; an empty selector selects everything. */
export function selects(selector: LabelSelector, labels: StringMap): boolean {
  return (
    hasLabels(labels, selector.matchLabels) &&
    selector.matchExpressions.every((expression) => holds(expression, labels))
  )
}

function holds({ key, operator, values }: LabelExpression, labels: StringMap): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
  }
}

/** Whether `labels` contain every pair of `wanted`. */
export function hasLabels(labels: StringMap, wanted: StringMap): boolean {
  return Object.entries(wanted).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value)
}

// YAML 1.1 readers turn an unquoted RFC 3339 time into a date; `yaml` keeps a string, a client library gives a Date.
function timestamp(value: unknown, path: readonly (string | number)[], report: Parameters<Check<string>>[2]) {
  return value instanceof Date ? value.toISOString() : string(value, path, report)
}

export const nonNegative = integer(0, 2 ** 31 - 1)
