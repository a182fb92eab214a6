/** What the inbound side would do with a request: `inbound/decision.ts` asked, and what it decided over put into words. */
import { dropHopByHop } from '../http/hop-by-hop.ts'
import { decideInbound, type InboundDecision, routesOf } from '../inbound/decision.ts'
import { errors } from '../inbound/errors.ts'
import type { PortPolicies, PortPolicy, Recheckable } from '../inbound/port-policies.ts'
import { authorize, type Client } from '../policy/authorization.ts'
import { isProbe } from '../policy/inbound-policy.ts'
import { describeMeta } from '../policy/meta.ts'
import { ipText } from '../policy/network.ts'
import { HeadView } from '../policy/request-view.ts'
import { findingsOf } from '../policy/route-findings.ts'
import { Version } from '../wire/head.ts'
import { answerOutcome, NO_LUCK, summaryOf, within } from './common.ts'
import type { ExplainedRateLimit, Explanation, Outcome, PolicySummary } from './explanation.ts'
import { type InboundQuestion, isHttp2ByDefault } from './question.ts'
import { describeFilter, explainAuthorization, objectOf } from './words.ts'

export interface InboundExplainDeps {
  readonly policies: PortPolicies
  /** How long discovery is waited for. */
  readonly deadlineMs: number
  readonly nowMs: () => number
}

export async function explainInbound(question: InboundQuestion, deps: InboundExplainDeps): Promise<Explanation> {
  const policy = deps.policies.acquire(question.port)
  try {
    await known(policy, deps.deadlineMs)
    return explain(question, policy, deps.nowMs())
  } finally {
    deps.policies.release(policy)
  }
}

/** Waits for the control plane as long as an answer is worth waiting for; then the default of the environment holds. */
async function known(policy: PortPolicy, deadlineMs: number): Promise<void> {
  if (policy.isKnown) return
  let waiter: Recheckable | undefined
  await within(deadlineMs, (done) => {
    waiter = { recheck: done }
    policy.connections.add(waiter)
  })
  if (waiter !== undefined) policy.connections.delete(waiter)
}

function explain({ head, client, isHttp2, port }: InboundQuestion, policy: PortPolicy, nowMs: number): Explanation {
  const { server, isKnown } = policy
  const notes: string[] = []
  if (!isKnown)
    notes.push(`the control plane has not told the policy of port ${port}; until it does the default of the pod holds`)
  if (isHttp2 ?? isHttp2ByDefault(head)) head.version = Version.http2
  dropHopByHop(head, head.isUpgrade)
  const { tls } = client
  const request = {
    ...summaryOf(head),
    client: {
      address: ipText(client.ip),
      tls: tls.kind === 'meshTls' ? 'mesh' : tls.kind,
      ...(tls.kind === 'meshTls' && { identity: tls.identity }),
    },
  } as const
  const summary: PolicySummary = {
    isKnown,
    address: `${port}`,
    object: objectOf(server.meta),
    protocol: server.protocol.kind,
  }
  const base = { direction: 'inbound', request, policy: summary, notes } as const
  const table = routesOf(server)
  if (table === undefined) {
    const authorizations = server.authorizations.map((each) => explainAuthorization(each, client))
    const outcome = bytesOutcome(authorize(server.authorizations, client)?.meta, describeMeta(server.meta))
    return { ...base, outcome, routes: { listed: [], omitted: 0 }, authorizations }
  }
  const found = findingsOf(table, new HeadView(head))
  const routes = { ...found, listed: found.listed.map((each) => ({ ...each, route: objectOf(each.route) })) }
  const decision = decideInbound(server, client, head, NO_LUCK)
  if (decision.kind === 'noRoute') return { ...base, outcome: answerOutcome(decision, request.isGrpc), routes }
  const { route, rule } = decision.hit
  const rateLimit = decision.kind === 'forward' ? rateLimitOf(policy, decision, client, nowMs) : undefined
  return {
    ...base,
    outcome: outcomeOf(decision, rateLimit, request.isGrpc, port),
    routes,
    rule: { route: objectOf(route.meta), rule: route.rules.indexOf(rule), filters: rule.filters.map(describeFilter) },
    authorizations: route.authorizations.map((each) => explainAuthorization(each, client)),
    ...(rateLimit && { rateLimit: rateLimit.told }),
  }
}

function bytesOutcome(allowedBy: Parameters<typeof describeMeta>[0] | undefined, server: string): Outcome {
  return allowedBy === undefined
    ? { action: 'refuse', message: `${server} allows the client no connection` }
    : {
        action: 'bytes',
        message: `the bytes go to the application unread; ${describeMeta(allowedBy)} permits the client`,
      }
}

interface RateVerdict {
  readonly told: ExplainedRateLimit
  readonly outcome: Outcome | undefined
}

function rateLimitOf(
  { limiter }: PortPolicy,
  { authorization }: InboundDecision & { kind: 'forward' },
  { tls }: Client,
  nowMs: number,
): RateVerdict | undefined {
  if (limiter === undefined) return undefined
  const object = objectOf(limiter.limit.meta)
  if (isProbe(authorization))
    return { told: { object, passes: true, reason: 'health checks are not counted' }, outcome: undefined }
  const exceeded = limiter.peek(tls.kind === 'meshTls' ? tls.identity : undefined, nowMs)
  if (exceeded === undefined)
    return { told: { object, passes: true, reason: 'there is room for a request now' }, outcome: undefined }
  const fields = [['retry-after', `${exceeded.retryAfterSeconds}`]] as const
  return {
    told: { object, passes: false, reason: exceeded.message },
    outcome: answerOutcome({ error: errors.rateLimited(exceeded.message), fields }, false),
  }
}

function outcomeOf(
  decision: Exclude<InboundDecision, { kind: 'noRoute' }>,
  rateLimit: RateVerdict | undefined,
  isGrpc: boolean,
  port: number,
): Outcome {
  if (decision.kind !== 'forward') return answerOutcome(decision, isGrpc)
  const { hit, authorization } = decision
  return (
    rateLimit?.outcome ?? {
      action: 'forward',
      message: `to the application on port ${port}: ${describeMeta(authorization.meta)} permits the client on ${describeMeta(hit.route.meta)}`,
    }
  )
}
