/**
 * What the outbound side would do with a request: `outbound/decision.ts` asked over the routing that traffic goes by, or over
 * one made the same way where there was no traffic yet. Nothing is sent, counted or connected.
 */
import { dropHopByHop } from '../http/hop-by-hop.ts'
import type { Backend } from '../outbound/backend.ts'
import { isUpgrade } from '../outbound/carriage.ts'
import { decideAttempt, decideRoute, isAnswer, isRouted } from '../outbound/decision.ts'
import { errors } from '../outbound/errors.ts'
import type { PeekedBackends } from '../outbound/peeked-backends.ts'
import { type BackendPlan, isAvailable, type PlannedRoute } from '../outbound/route-plan.ts'
import { NOTHING_COUNTED } from '../outbound/route-recorder.ts'
import type { RecorderFactory, Routing } from '../outbound/routing.ts'
import type { Target } from '../outbound/target.ts'
import type { TargetCache } from '../outbound/target-cache.ts'
import { type Session, sessionOf } from '../policy/balance/session-affinity.ts'
import { sharesOf } from '../policy/distribution.ts'
import { Head, Version } from '../wire/head.ts'
import { token } from '../wire/tokens.ts'
import { answerOutcome, NO_LUCK, summaryOf, within } from './common.ts'
import type { ExplainedBackend, ExplainedEndpoint, ExplainedRule, Explanation, Outcome } from './explanation.ts'
import { isHttp2ByDefault, type OutboundQuestion, targetText } from './question.ts'
import { describeAffinity, describeFilter, describeRetries, objectOf, percent, timeoutsOf } from './words.ts'

export interface OutboundExplainDeps {
  readonly targets: TargetCache
  /** Backends for one explanation. */
  readonly peek: () => PeekedBackends
  readonly failFastTimeoutMs: number
  /** How long discovery is waited for. */
  readonly deadlineMs: number
  readonly nowMs: () => number
}

/** Of one backend. */
const MAX_ENDPOINTS = 100

const REQUIRE_ID = token('l5d-require-id')

const UNCOUNTED: RecorderFactory = {
  profileRoute: () => NOTHING_COUNTED,
  policyRoute: (_parent, _route, backends) => ({ ...NOTHING_COUNTED, backends: backends.map(() => undefined) }),
  mirror: () => () => {},
}

export async function explainOutbound(question: OutboundQuestion, deps: OutboundExplainDeps): Promise<Explanation> {
  const { ip, port, head } = question
  const target = deps.targets.acquire(ip, port)
  try {
    const isKnown = await within(deps.deadlineMs, (done) => target.whenReady(done))
    if (isKnown) return await explainKnown(target, question, deps)
    const message = `the control plane has not said within ${deps.deadlineMs} ms what ${targetText(ip, port)} is; connections to it wait`
    return {
      direction: 'outbound',
      request: summaryOf(head),
      policy: { isKnown, address: targetText(ip, port) },
      outcome: { action: 'unknown', message },
      notes: [],
      routes: NO_ROUTES,
    }
  } finally {
    deps.targets.release(target)
  }
}

const NO_ROUTES = { listed: [], omitted: 0 } as const

async function explainKnown(
  target: Target,
  question: OutboundQuestion,
  deps: OutboundExplainDeps,
): Promise<Explanation> {
  const { head } = question
  const { protocol, parent } = target
  const notes: string[] = []
  const isHttp2 = versionOf(target, question, notes)
  if (isHttp2) head.version = Version.http2
  const base = {
    direction: 'outbound',
    request: summaryOf(head),
    policy: {
      isKnown: true,
      address: targetText(target.ip, target.port),
      object: objectOf(parent),
      protocol: protocol.kind,
    },
    notes,
  } as const
  const unread = unreadOutcome(target)
  if (unread !== undefined) return { ...base, outcome: unread, routes: NO_ROUTES }

  const peeked = deps.peek()
  const { nowMs, failFastTimeoutMs } = deps
  const { routing, release } = target.peekRouting(isHttp2, {
    cache: peeked,
    recorders: UNCOUNTED,
    random: NO_LUCK,
    nowMs,
  })
  try {
    if (!(await peeked.discovered(deps.deadlineMs)))
      notes.push(`the control plane has not told all endpoints within ${deps.deadlineMs} ms`)
    if (peeked.size > 0) notes.push('this proxy has had no such request yet: connections are made with the first one')
    return { ...base, ...explainHttp(head, routing, target, notes, { nowMs: nowMs(), failFastTimeoutMs }) }
  } finally {
    release()
    peeked.close()
  }
}

/** Connections that nobody reads requests from. */
function unreadOutcome({ protocol, parentName }: Target): Outcome | undefined {
  switch (protocol.kind) {
    case 'refused':
      return { action: 'refuse', message: `the connection is closed: ${protocol.reason}` }
    case 'opaque':
      return {
        action: 'bytes',
        message: `${parentName} is opaque: bytes go to one endpoint for the life of a connection`,
      }
    case 'tls':
      return { action: 'bytes', message: `${parentName} is routed by the server name of TLS; requests are not read` }
    case 'detect':
    case 'http1':
    case 'http2':
    case 'invalid':
      return undefined
  }
}

function versionOf({ protocol, parentName }: Target, { head, isHttp2 }: OutboundQuestion, notes: string[]): boolean {
  const asked = isHttp2 ?? isHttp2ByDefault(head)
  if (protocol.kind !== 'http1' && protocol.kind !== 'http2') return asked
  const isServed = protocol.kind === 'http2'
  if (isHttp2 !== undefined && isHttp2 !== isServed)
    notes.push(`${parentName} serves ${isServed ? 'HTTP/2' : 'HTTP/1'} only: this is explained as such`)
  return isServed
}

interface Now {
  readonly nowMs: number
  readonly failFastTimeoutMs: number
}

function explainHttp(
  head: Head,
  routing: Routing | undefined,
  target: Target,
  notes: string[],
  now: Now,
): Pick<Explanation, 'outcome' | 'routes' | 'rule'> {
  const found = routing?.findings(head) ?? NO_ROUTES
  const routes = { ...found, listed: found.listed.map((each) => ({ ...each, route: objectOf(each.route) })) }
  const decision = decideRoute(head, routing, target)
  const { isGrpc } = summaryOf(head)
  if (!isRouted(decision)) return { outcome: answerOutcome({ error: decision }, isGrpc), routes }
  const { plan, ignoredFields = 0 } = decision
  if (ignoredFields > 0) notes.push(`${ignoredFields} field(s) that were to override the policy make no sense`)
  const required = head.get(REQUIRE_ID)
  if (required !== undefined) head.drop(REQUIRE_ID)
  if (head.version !== Version.http2) dropHopByHop(head, isUpgrade(head))
  const session = plan.affinity && sessionOf(plan.affinity, head, () => 'new')
  const shares = sharesNow(plan)
  const told = { target, head, isGrpc, required, now }
  const backends = plan.backends.map((each, at) => explainBackend(each, shares[at]!, decision, told))
  noteSession(session, notes)
  if (required !== undefined) notes.push(`the endpoint has to be ${required} (l5d-require-id), or the answer is 502`)
  const rule: ExplainedRule = {
    route: objectOf(plan.meta),
    rule: plan.rule,
    filters: plan.filters.map(describeFilter),
    timeouts: timeoutsOf(plan),
    retries: describeRetries(plan.retry),
    distribution: plan.distribution,
    ...(plan.affinity && { affinity: describeAffinity(plan.affinity) }),
    ...(plan.mirrors.length > 0 && {
      mirrors: plan.mirrors.map(({ backend, ratio }) => ({ backend: backend.name, ratio })),
    }),
    backends,
  }
  return { outcome: outcomeOf(decision, backends, session, told), routes, rule }
}

/** An only backend gets every attempt, ready or not. */
function sharesNow({ distribution, backends }: PlannedRoute['plan']): readonly number[] {
  if (backends.length === 1) return [1]
  return sharesOf(
    distribution,
    backends.map((plan) => ({ weight: plan.weight, isReady: isAvailable(plan) })),
  )
}

function noteSession(session: Session | undefined, notes: string[]): void {
  if (session === undefined) return
  notes.push(
    session.setCookie === undefined
      ? 'the request belongs to a session, which stays with one backend and one endpoint'
      : 'the request begins a session: the response brings a cookie',
  )
}

interface Told {
  readonly target: Target
  readonly head: Head
  readonly isGrpc: boolean
  readonly required: string | undefined
  readonly now: Now
}

/** What becomes of an attempt for which `drawn` was drawn. */
function attemptOutcome(route: PlannedRoute, drawn: BackendPlan | undefined, told: Told): Outcome {
  const head = new Head()
  head.copyFrom(told.head)
  const decision = decideAttempt(route, drawn, head, NO_LUCK, undefined)
  if (isAnswer(decision)) return answerOutcome(decision, told.isGrpc)
  const { backend } = decision
  if (!backend.hasReady()) return waitOutcome(backend, route, told)
  const { required } = told
  const identities = [...backend.endpoints].map(({ meta }) => meta.identity?.name)
  if (required !== undefined && !identities.includes(required))
    return answerOutcome({ error: errors.requiredIdentity(required, identities[0]) }, told.isGrpc)
  const sent = summaryOf(head)
  return {
    action: 'forward',
    message: `to an endpoint of ${backend.name} as ${sent.method} ${sent.path} of ${sent.authority ?? 'no authority'}`,
  }
}

function waitOutcome(backend: Backend, { plan }: PlannedRoute, { target, isGrpc, now }: Told): Outcome {
  if (backend.isFailFast)
    return answerOutcome({ error: errors.loadShed(target.parentName, plan.name, backend.reason()) }, isGrpc)
  const message = `${backend.reason()}: the request waits for one, for ${now.failFastTimeoutMs} ms at most, then it gets 504`
  return { action: 'wait', message }
}

function outcomeOf(
  route: PlannedRoute,
  backends: readonly ExplainedBackend[],
  session: Session | undefined,
  told: Told,
): Outcome {
  const { plan } = route
  if (session !== undefined && session.setCookie === undefined)
    return attemptOutcome(
      route,
      plan.choose(() => session.point),
      told,
    )
  const drawn = backends.filter(({ share }) => share > 0)
  const [first] = drawn
  if (first === undefined) return attemptOutcome(route, undefined, told)
  if (drawn.every(({ outcome }) => outcome.action === 'answer' && outcome.message === first.outcome.message))
    return first.outcome
  if (drawn.length === 1) return first.outcome
  const parts = drawn.map(({ share, name, object }) => `${percent(share)} to ${name ?? object.name}`)
  return { action: 'split', message: parts.join(', ') }
}

function explainBackend(plan: BackendPlan, share: number, route: PlannedRoute, told: Told): ExplainedBackend {
  const { backend, weight, filters, meta } = plan
  const explained = {
    object: objectOf(meta),
    weight,
    share,
    filters: filters.map(describeFilter),
    outcome: attemptOutcome(route, plan, told),
  }
  if (backend === undefined) return explained
  const endpoints = explainEndpoints(backend, told.now.nowMs)
  return {
    ...explained,
    name: backend.name,
    isFailFast: backend.isFailFast,
    waiting: backend.queueLength,
    ready: backend.readyCount,
    endpoints,
    omittedEndpoints: backend.size - endpoints.length,
  }
}

function explainEndpoints(backend: Backend, nowMs: number): ExplainedEndpoint[] {
  const explained: ExplainedEndpoint[] = []
  for (const endpoint of backend.endpoints) {
    if (explained.length === MAX_ENDPOINTS) break
    const { meta, load, lastError } = endpoint
    explained.push({
      address: endpoint.name,
      ...(meta.identity && { identity: meta.identity.name }),
      weight: meta.weight,
      zone: meta.zoneLocality,
      ...endpoint.health(nowMs),
      ...(load.isMeasured && { latencyMs: Number(load.latencyMs(nowMs).toFixed(2)) }),
      inFlight: load.inFlight,
      ...(lastError && { lastError: lastError.message }),
    })
  }
  return explained
}
