/** Admission of HTTPLocalRateLimitPolicy. */
import type { HttpLocalRateLimitPolicy, RateLimit } from '../../../api/resources/rate-limit-policy.ts'
import { formatKind, POLICY_GROUP, refersTo } from '../../../api/resources/reference.ts'
import type { Refuse } from './admit.ts'

export function admitRateLimit({ spec }: HttpLocalRateLimitPolicy, refuse: Refuse): void {
  const { targetRef, total, identity, overrides } = spec
  if (!refersTo(targetRef, POLICY_GROUP, 'Server'))
    refuse(['spec', 'targetRef'], `${formatKind(targetRef)} cannot be limited; name a Server (policy.linkerd.io)`)
  if (total === undefined && identity === undefined && overrides.length === 0)
    refuse(['spec'], 'limits nothing; give total, identity or overrides')
  const rate = (path: readonly (string | number)[], limit: RateLimit | undefined) => {
    if (limit === undefined) return
    const field = [...path, 'requestsPerSecond']
    if (limit.requestsPerSecond === 0)
      refuse(field, '0 would admit nothing; use an AuthorizationPolicy to deny, or a rate of at least 1')
    else if (total !== undefined && limit !== total && limit.requestsPerSecond > total.requestsPerSecond)
      refuse(field, `${limit.requestsPerSecond} is above total, ${total.requestsPerSecond}, and would never be reached`)
  }
  rate(['spec', 'total'], total)
  rate(['spec', 'identity'], identity)
  for (const [index, override] of overrides.entries()) {
    rate(['spec', 'overrides', index], override)
    for (const [at, ref] of override.clientRefs.entries()) {
      if (!refersTo(ref, '', 'ServiceAccount'))
        refuse(['spec', 'overrides', index, 'clientRefs', at], `${formatKind(ref)} is no client; name a ServiceAccount`)
    }
  }
}
