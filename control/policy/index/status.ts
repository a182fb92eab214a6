/** The status of routes, rate limits and EgressNetworks: what became of them, as a pure function of the cluster. */
import type { Condition } from '../../../api/resources/condition.ts'
import type { EgressNetwork } from '../../../api/resources/egress-network.ts'
import { nameOf } from '../../../api/resources/kinds.ts'
import type { HttpLocalRateLimitPolicy } from '../../../api/resources/rate-limit-policy.ts'
import { formatKind, type ObjectRef, refersTo } from '../../../api/resources/reference.ts'
import type { ParentRef, RouteParentStatus, RouteStatus } from '../../../api/resources/route.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import type { Holding } from '../holders.ts'
import type { Backend } from '../model/outbound.ts'
import { resolveBackend } from './backend.ts'
import { egressAcceptance } from './egress.ts'
import { serverRouteProblems } from './inbound-routes.ts'
import { rateLimitAcceptance } from './rate-limits.ts'
import { grpcRoute, httpRoute, type RouteContext } from './request-route.ts'
import { type AnyRoute, acceptanceOf, type ParentName, parentKindOf } from './route-attachment.ts'
import { streamRoute } from './stream-route.ts'

/** Linkerd's, so that tools which wait for a mesh's route wait for ours. */
export const CONTROLLER_NAME = 'linkerd.io/policy-controller'

/** Weft's own: how many connected proxies hold this generation of the object. */
export const PROGRAMMED = 'weft.dev/Programmed'

/** Who holds the object, and whether all who could have connected had the time to. */
export interface Programming extends Holding {
  readonly isSettled: boolean
}

/** Without times: `withTimes` knows since when each of them holds. */
type Verdict = Omit<Condition, 'lastTransitionTime'>

/** Statuses of other controllers stay as they are. `undefined` when the route has no parent that we keep. */
export function routeStatus(
  cluster: Cluster,
  route: AnyRoute,
  holding: Programming,
  now: string,
): RouteStatus | undefined {
  const before = route.status?.parents ?? []
  const foreign = before.filter(({ controllerName }) => controllerName !== CONTROLLER_NAME)
  const own = route.spec.parentRefs.flatMap((ref): readonly RouteParentStatus[] => {
    if (parentKindOf(ref) === undefined) return []
    const parentRef = reported(route, ref)
    const previous = before.find(
      (each) => each.controllerName === CONTROLLER_NAME && isSameParent(each.parentRef, parentRef),
    )
    const verdicts = routeVerdicts(cluster, route, ref, holding)
    return [{ parentRef, controllerName: CONTROLLER_NAME, conditions: withTimes(verdicts, previous?.conditions, now) }]
  })
  if (own.length === 0 && foreign.length === before.length) return undefined
  return { parents: [...foreign, ...own] }
}

export function egressStatus(cluster: Cluster, network: EgressNetwork, holding: Programming, now: string) {
  const { generation } = network.metadata
  const acceptance = egressAcceptance(cluster, network)
  const verdicts = [acceptedVerdict(acceptance, generation), programmed(acceptance.isAccepted, holding, generation)]
  return { conditions: withTimes(verdicts, network.status?.conditions, now) }
}

export function rateLimitStatus(cluster: Cluster, policy: HttpLocalRateLimitPolicy, holding: Programming, now: string) {
  const { generation } = policy.metadata
  const acceptance = rateLimitAcceptance(cluster, policy)
  const verdicts = [acceptedVerdict(acceptance, generation), programmed(acceptance.isAccepted, holding, generation)]
  return { conditions: withTimes(verdicts, policy.status?.conditions, now), targetRef: policy.spec.targetRef }
}

function routeVerdicts(cluster: Cluster, route: AnyRoute, ref: ParentRef, holding: Programming): readonly Verdict[] {
  const { generation } = route.metadata
  const acceptance = acceptanceOf(cluster, route, ref)
  const isOutbound = parentKindOf(ref) !== 'Server'
  const problems = problemsOf(cluster, route, ref)
  return [
    acceptedVerdict(acceptance, generation),
    ...(isOutbound ? [resolvedRefs(cluster, route, ref)] : []),
    ...(problems.length > 0
      ? [verdict('PartiallyInvalid', true, 'UnsupportedValue', problems.join('; ').slice(0, MAX_MESSAGE), generation)]
      : []),
    programmed(acceptance.isAccepted, holding, generation),
  ]
}

/** Of a condition (Kubernetes, meta/v1). */
const MAX_MESSAGE = 32_768

function acceptedVerdict(
  acceptance:
    | { readonly isAccepted: true }
    | { readonly isAccepted: false; readonly reason: string; readonly message: string },
  generation: number,
): Verdict {
  return acceptance.isAccepted
    ? verdict('Accepted', true, 'Accepted', '', generation)
    : verdict('Accepted', false, acceptance.reason, acceptance.message, generation)
}

function resolvedRefs(cluster: Cluster, route: AnyRoute, ref: ParentRef): Verdict {
  const { generation } = route.metadata
  const parent = parentOf(route, ref)
  for (const backend of backendRefsOf(route)) {
    const resolved = resolveBackend({ cluster, route, parent }, backend)
    if (!resolved.isResolved) return verdict('ResolvedRefs', false, resolved.reason, resolved.message, generation)
  }
  return verdict('ResolvedRefs', true, 'ResolvedRefs', '', generation)
}

function backendRefsOf({ spec }: AnyRoute): readonly (ObjectRef & { readonly port?: number })[] {
  return spec.rules.flatMap((rule) => [
    ...rule.backendRefs,
    ...('filters' in rule ? rule.filters.flatMap(({ requestMirror }) => requestMirror?.backendRef ?? []) : []),
  ])
}

/** What is enforced with an error in its place, backends left out: they have a condition of their own. */
function problemsOf(cluster: Cluster, route: AnyRoute, ref: ParentRef): readonly string[] {
  const problems: string[] = []
  if (parentKindOf(ref) === 'Server') {
    if (route.kind === 'HTTPRoute' || route.kind === 'GRPCRoute') problems.push(...serverRouteProblems(cluster, route))
  } else {
    const parent = parentOf(route, ref)
    const context: RouteContext = {
      cluster,
      parent,
      parentBackend: NOWHERE,
      settings: {},
      onProblem: (each) => problems.push(each),
    }
    if (route.kind === 'HTTPRoute') httpRoute(route, context)
    else if (route.kind === 'GRPCRoute') grpcRoute(route, context)
    else streamRoute(route, context)
  }
  const prefix = `${nameOf(route)}: `
  return problems
    .map((problem) => (problem.startsWith(prefix) ? problem.slice(prefix.length) : problem))
    .filter((problem) => !/^spec\.rules\[\d+\]\.backendRefs\[\d+\]: /.test(problem))
}

const NOWHERE: Backend = {
  kind: 'service',
  service: { group: 'core', kind: 'Service', namespace: '', name: '', generation: 0 },
  port: 0,
}

function programmed(isAccepted: boolean, holding: Programming, generation: number): Verdict {
  if (!isAccepted) return verdict(PROGRAMMED, false, 'NotAccepted', '', generation)
  const { proxies, current, isSettled } = holding
  const counted =
    proxies === 0
      ? 'no connected proxy uses it'
      : `${current} of ${proxies} connected proxies that use it hold generation ${generation}`
  // Who is connected and does not hold it is one too many, whoever else comes.
  if (current < proxies) return verdict(PROGRAMMED, false, 'Pending', counted, generation)
  if (isSettled) return verdict(PROGRAMMED, true, 'Programmed', counted, generation)
  const message = `${counted}; the control plane has just started, and others may still be on their way back`
  return { ...verdict(PROGRAMMED, false, 'Pending', message, generation), status: 'Unknown' }
}

function verdict(type: string, holds: boolean, reason: string, message: string, observedGeneration: number): Verdict {
  return { type, status: holds ? 'True' : 'False', reason, message, observedGeneration }
}

function withTimes(
  verdicts: readonly Verdict[],
  before: readonly Condition[] | undefined,
  now: string,
): readonly Condition[] {
  return verdicts.map((each) => {
    const previous = before?.find(({ type }) => type === each.type)
    return { ...each, lastTransitionTime: previous?.status === each.status ? previous.lastTransitionTime : now }
  })
}

function parentOf(route: AnyRoute, { group, kind, name, namespace }: ParentRef): ParentName {
  return { group, kind, name, namespace: namespace ?? route.metadata.namespace }
}

/** As it is written back: Kubernetes' own group by name, the namespace filled in, no section. */
function reported(route: AnyRoute, ref: ParentRef): ParentRef {
  const { group, kind, name, port } = ref
  const isService = refersTo(ref, '', 'Service')
  return {
    group: isService ? 'core' : group,
    kind,
    name,
    namespace: ref.namespace ?? route.metadata.namespace,
    ...(port !== undefined && parentKindOf(ref) !== 'Server' && { port }),
  }
}

function isSameParent(a: ParentRef, b: ParentRef): boolean {
  return formatKind(a) === formatKind(b) && a.name === b.name && a.namespace === b.namespace && a.port === b.port
}
