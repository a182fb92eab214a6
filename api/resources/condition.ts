/** Conditions in the status of an object, as all Kubernetes APIs have them. */
import { array, type Check, integer, object, oneOf, optional, string, withDefault } from './check.ts'

export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
  /** RFC 3339. */
  readonly lastTransitionTime: string
  /** The generation of the object that this is about. */
  readonly observedGeneration?: number
}

const condition: Check<Condition> = object<Condition>(
  {
    type: withDefault(string, () => ''),
    status: withDefault(oneOf('True', 'False', 'Unknown'), () => 'Unknown' as const),
    reason: withDefault(string, () => ''),
    message: withDefault(string, () => ''),
    lastTransitionTime: withDefault(string, () => ''),
    observedGeneration: optional(integer(0, Number.MAX_SAFE_INTEGER)),
  },
  { unknown: 'ignore' },
)

export const conditions: Check<readonly Condition[]> = array(condition)

/** The status of kinds that have one list of conditions. */
export interface ConditionStatus {
  readonly conditions: readonly Condition[]
}
export const conditionStatus: Check<ConditionStatus> = object<ConditionStatus>(
  { conditions: withDefault(conditions, () => []) },
  { unknown: 'ignore' },
)

/** Whether the condition `type` holds. */
export function isTrue(status: ConditionStatus | undefined, type: string): boolean {
  return status?.conditions.some((each) => each.type === type && each.status === 'True') ?? false
}
