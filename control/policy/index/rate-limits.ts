/** Which HTTPLocalRateLimitPolicy limits a Server: of those that target it, the oldest. */
import type { HttpLocalRateLimitPolicy } from '../../../api/resources/rate-limit-policy.ts'
import { formatKind, POLICY_GROUP, refersTo } from '../../../api/resources/reference.ts'
import type { Server } from '../../../api/resources/server.ts'
import type { Cluster, Derived } from '../../cluster/cluster.ts'
import type { ClusterConfig } from '../../cluster/config.ts'
import type { RateLimit } from '../model/inbound.ts'
import { olderFirst } from './age.ts'
import { serviceAccountIdentity } from './identities.ts'
import { unknownBelow } from './unknown-fields.ts'

/** What status says about it. */
export type RateLimitAcceptance =
  | { readonly isAccepted: true }
  | {
      readonly isAccepted: false
      readonly reason: 'NoMatchingTarget' | 'RateLimitReasonAlreadyExists'
      readonly message: string
    }

export function rateLimitAcceptance(cluster: Cluster, policy: HttpLocalRateLimitPolicy): RateLimitAcceptance {
  const { namespace, name } = policy.metadata
  const { targetRef } = policy.spec
  const refused = (
    reason: 'NoMatchingTarget' | 'RateLimitReasonAlreadyExists',
    message: string,
  ): RateLimitAcceptance => ({ isAccepted: false, reason, message })
  if (!refersTo(targetRef, POLICY_GROUP, 'Server'))
    return refused('NoMatchingTarget', `${formatKind(targetRef)} cannot be limited; use Server.${POLICY_GROUP}`)
  const server = cluster.get('Server', namespace, targetRef.name)
  if (server === undefined)
    return refused('NoMatchingTarget', `there is no Server ${targetRef.name} in the namespace ${namespace}`)
  const { proxyProtocol } = server.spec
  if (!LIMITED_PROTOCOLS.includes(proxyProtocol))
    return refused(
      'NoMatchingTarget',
      `Server ${targetRef.name} has the proxyProtocol ${proxyProtocol}; limits apply to ${LIMITED_PROTOCOLS.join(', ')}`,
    )
  const [first] = policiesFor(cluster, server)
  if (first !== undefined && first.metadata.name !== name)
    return refused('RateLimitReasonAlreadyExists', `the older ${first.metadata.name} limits Server ${targetRef.name}`)
  return { isAccepted: true }
}

export interface RateLimitResult {
  /** A sentence where the limit that applies cannot be enforced as it is written: then no request may pass. */
  readonly limit?: RateLimit | string
  readonly problems: readonly string[]
}

export function rateLimitOf(cluster: Cluster, server: Server): RateLimitResult {
  const policies = policiesFor(cluster, server)
  const problems = policies.flatMap((policy) => {
    const acceptance = rateLimitAcceptance(cluster, policy)
    return acceptance.isAccepted ? [] : [`${named(policy)}: ${acceptance.message}; it limits nothing`]
  })
  const accepted = policies.find((policy) => rateLimitAcceptance(cluster, policy).isAccepted)
  if (accepted === undefined) return { problems }
  const limit = limitOf(cluster.config, accepted)
  if (typeof limit !== 'string') return { limit, problems }
  const sentence = `${named(accepted)}: ${limit}`
  return { limit: sentence, problems: [...problems, `${sentence}; all requests fail until that is corrected`] }
}

const LIMITED_PROTOCOLS: readonly string[] = ['unknown', 'HTTP/1', 'HTTP/2']

const POLICIES_BY_SERVER: Derived<ReadonlyMap<string, readonly HttpLocalRateLimitPolicy[]>> = {
  kinds: ['HTTPLocalRateLimitPolicy'],
  compute: (cluster) =>
    Map.groupBy(
      cluster
        .list('HTTPLocalRateLimitPolicy')
        .filter(({ spec }) => refersTo(spec.targetRef, POLICY_GROUP, 'Server'))
        .sort(olderFirst),
      ({ metadata, spec }) => `${metadata.namespace}/${spec.targetRef.name}`,
    ),
}

function policiesFor(cluster: Cluster, { metadata }: Server): readonly HttpLocalRateLimitPolicy[] {
  return cluster.derived(POLICIES_BY_SERVER).get(`${metadata.namespace}/${metadata.name}`) ?? []
}

/** The rate on the wire; more is no limit that anybody reaches. */
const MAX_RATE = 2 ** 32 - 1

/** @returns or what is wrong */
function limitOf(config: ClusterConfig, policy: HttpLocalRateLimitPolicy): RateLimit | string {
  const { metadata, spec } = policy
  const [unknown] = unknownBelow(policy, 'spec')
  if (unknown !== undefined) return `${unknown}: this version does not know the field`
  const { total, identity, overrides } = spec
  const limits = [
    ['spec.total', total],
    ['spec.identity', identity],
    ...overrides.map((override, index) => [`spec.overrides[${index}]`, override] as const),
  ] as const
  // To proxies a rate of zero means no limit.
  for (const [field, limit] of limits)
    if (limit?.requestsPerSecond === 0) return `${field}.requestsPerSecond: 0 is not a rate; it has to be above zero`
  const resolved: RateLimit['overrides'][number][] = []
  for (const [index, { requestsPerSecond, clientRefs }] of overrides.entries()) {
    const identities: string[] = []
    for (const [at, ref] of clientRefs.entries()) {
      const field = `spec.overrides[${index}].clientRefs[${at}]`
      if (!refersTo(ref, '', 'ServiceAccount')) return `${field}: ${formatKind(ref)} is not a ServiceAccount`
      const account = serviceAccountIdentity(config, ref.namespace ?? metadata.namespace, ref.name)
      if (typeof account === 'string') return `${field}: ${account}`
      identities.push(account.identity)
    }
    resolved.push({ requestsPerSecond: Math.min(requestsPerSecond, MAX_RATE), identities })
  }
  const { name, generation } = metadata
  return {
    origin: {
      kind: 'resource',
      resource: { group: POLICY_GROUP, kind: 'HTTPLocalRateLimitPolicy', namespace: '', name, generation },
    },
    ...(total && { total: Math.min(total.requestsPerSecond, MAX_RATE) }),
    ...(identity && { identity: Math.min(identity.requestsPerSecond, MAX_RATE) }),
    overrides: resolved,
  }
}

function named({ metadata }: HttpLocalRateLimitPolicy): string {
  return `HTTPLocalRateLimitPolicy ${metadata.namespace}/${metadata.name}`
}
