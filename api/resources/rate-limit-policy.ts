/** HTTPLocalRateLimitPolicy (policy.linkerd.io): requests per second that each proxy admits at one Server. */
import { array, type Check, integer, object, optional, required, string, withDefault } from './check.ts'
import { type ConditionStatus, conditions } from './condition.ts'
import { type ObjectMeta, objectMeta } from './meta.ts'
import { type ObjectRef, objectRef, type TargetRef, targetRef } from './reference.ts'

export interface HttpLocalRateLimitPolicy {
  readonly apiVersion: string
  readonly kind: 'HTTPLocalRateLimitPolicy'
  readonly metadata: ObjectMeta
  readonly spec: RateLimitSpec
  readonly status?: ConditionStatus & { readonly targetRef?: TargetRef }
}
export interface RateLimitSpec {
  /** A Server of the same namespace. */
  readonly targetRef: TargetRef
  /** All clients together. */
  readonly total?: RateLimit
  /** Each identity; clients without one share a limit. */
  readonly identity?: RateLimit
  /** Instead of `identity` for these clients, each by itself. */
  readonly overrides: readonly RateLimitOverride[]
}
export interface RateLimit {
  readonly requestsPerSecond: number
}
export interface RateLimitOverride extends RateLimit {
  /** ServiceAccounts. */
  readonly clientRefs: readonly ObjectRef[]
}

const rate = integer(0, Number.MAX_SAFE_INTEGER, 'a number of requests per second')
const limit: Check<RateLimit> = object<RateLimit>({ requestsPerSecond: required(rate) }, { unknown: 'refuse' })

export const httpLocalRateLimitPolicy: Check<HttpLocalRateLimitPolicy> = object<HttpLocalRateLimitPolicy>({
  apiVersion: required(string),
  kind: required((value) => value as 'HTTPLocalRateLimitPolicy'),
  metadata: required(objectMeta),
  spec: required(
    object<RateLimitSpec>(
      {
        targetRef: required(targetRef),
        total: optional(limit),
        identity: optional(limit),
        overrides: withDefault(
          array(
            object<RateLimitOverride>(
              { requestsPerSecond: required(rate), clientRefs: required(array(objectRef)) },
              { unknown: 'refuse' },
            ),
          ),
          () => [],
        ),
      },
      { unknown: 'refuse' },
    ),
  ),
  status: optional(
    object<NonNullable<HttpLocalRateLimitPolicy['status']>>(
      { conditions: withDefault(conditions, () => []), targetRef: optional(targetRef) },
      { unknown: 'ignore' },
    ),
  ),
})
