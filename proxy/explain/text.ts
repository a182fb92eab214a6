/** An explanation for people. */
import type {
  ExplainedBackend,
  ExplainedEndpoint,
  ExplainedRule,
  Explanation,
  ObjectRef,
  Outcome,
  PolicySummary,
  RequestSummary,
} from './explanation.ts'
import { percent } from './words.ts'

/** Width of the first column. */
const LABEL = 15

export function explanationText(explanation: Explanation): string {
  const { direction, request, policy, outcome, notes, routes, rule, authorizations, rateLimit } = explanation
  const lines = [
    row('request', `${direction} ${requestText(request)}`),
    ...(request.client ? [row('client', clientText(request.client))] : []),
    row('policy', policyText(policy)),
    row('outcome', outcomeText(outcome)),
    ...notes.map((note) => row('note', note)),
  ]
  if (routes.listed.length > 0) {
    lines.push('', 'routes')
    for (const { route, rule: at, match, verdict, reason } of routes.listed) {
      const place = at === -1 ? '' : `, rule ${at}${match > 0 ? `, match ${match}` : ''}`
      lines.push(`  ${MARKS[verdict]} ${objectText(route)}${place}: ${reason}`)
    }
    if (routes.omitted > 0) lines.push(`    and ${routes.omitted} more that do not match`)
  }
  if (rule !== undefined) lines.push('', ...ruleLines(rule))
  if (authorizations !== undefined) {
    lines.push('', 'authorizations (the first that permits decides)')
    if (authorizations.length === 0) lines.push('    none: nobody is let in')
    for (const { object, permits, reason } of authorizations)
      lines.push(`  ${permits ? '+' : '-'} ${objectText(object)}: ${reason}`)
  }
  if (rateLimit !== undefined) lines.push('', row('rate limit', `${objectText(rateLimit.object)}: ${rateLimit.reason}`))
  return `${lines.join('\n')}\n`
}

const MARKS = { chosen: '>', outranked: '~', mismatch: '-' } as const

function row(label: string, text: string): string {
  return `${label.padEnd(LABEL)}${text}`
}

function requestText({ method, path, authority, protocol, isGrpc }: RequestSummary): string {
  return `${method} ${path}${authority === undefined ? '' : ` of ${authority}`} over ${protocol}${isGrpc ? ' (gRPC)' : ''}`
}

function clientText({ address, tls, identity }: NonNullable<RequestSummary['client']>): string {
  return `${address}, ${identity ?? (tls === 'tls' ? 'mesh TLS without an identity' : 'no mesh TLS')}`
}

function policyText({ isKnown, address, object, protocol }: PolicySummary): string {
  const named = object === undefined ? address : `${objectText(object)} (${address})`
  return `${named}${protocol === undefined ? '' : `, ${protocol}`}${isKnown ? '' : ', not known yet'}`
}

function objectText({ kind, name, namespace, port, generation }: ObjectRef): string {
  const full = `${kind} ${name}${namespace === undefined ? '' : `.${namespace}`}${port === undefined ? '' : `:${port}`}`
  return generation === undefined ? full : `${full} (generation ${generation})`
}

function outcomeText({ action, status, grpcStatus, fields, message }: Outcome): string {
  const code = grpcStatus === undefined ? status : `grpc-status ${grpcStatus}`
  const said = (fields ?? []).map(([name, value]) => `, ${name}: ${value}`).join('')
  return `${action}${code === undefined ? '' : ` ${code}`}${said}: ${message}`
}

function ruleLines(rule: ExplainedRule): string[] {
  const { route, rule: at, filters, timeouts, retries, affinity, mirrors, backends } = rule
  const lines = [row('rule', at === -1 ? objectText(route) : `${at} of ${objectText(route)}`)]
  for (const filter of filters) lines.push(row('  filter', filter))
  if (timeouts !== undefined) {
    const set = Object.entries(timeouts).map(([name, ms]) => `${name.replace(/Ms$/, '')} ${ms} ms`)
    lines.push(row('  timeouts', set.length === 0 ? 'none' : set.join(', ')))
  }
  for (const retry of retries ?? []) lines.push(row('  retries', retry))
  if (affinity !== undefined) lines.push(row('  session by', affinity))
  for (const { backend, ratio } of mirrors ?? []) lines.push(row('  copies', `${percent(ratio)} to ${backend}`))
  for (const backend of backends ?? []) lines.push(...backendLines(backend))
  if (backends?.length === 0) lines.push(row('  backend', 'none'))
  return lines
}

function backendLines(backend: ExplainedBackend): string[] {
  const { object, name, weight, share, filters, outcome, ready, endpoints, omittedEndpoints, isFailFast, waiting } =
    backend
  const state = [
    `weight ${weight}`,
    `${percent(share)} now`,
    ...(ready === undefined || endpoints === undefined
      ? ['does not exist']
      : [`${ready} of ${endpoints.length + (omittedEndpoints ?? 0)} ready`]),
    ...(waiting ? [`${waiting} waiting`] : []),
    ...(isFailFast ? ['fail-fast'] : []),
  ]
  const discovered = name === undefined || name === object.name ? '' : ` as ${name}`
  return [
    row('  backend', `${objectText(object)}${discovered}: ${state.join(', ')}`),
    row('', outcomeText(outcome)),
    ...filters.map((filter) => row('    filter', filter)),
    ...(endpoints ?? []).map((endpoint) => row('    endpoint', endpointText(endpoint))),
    ...(omittedEndpoints ? [row('', `and ${omittedEndpoints} more`)] : []),
  ]
}

function endpointText(endpoint: ExplainedEndpoint): string {
  const { address, identity, weight, zone, state, forMs, latencyMs, inFlight, lastError } = endpoint
  return [
    `${address} ${state}${forMs === undefined ? '' : ` for ${Math.ceil(forMs)} ms`}`,
    ...(latencyMs === undefined ? [] : [`${latencyMs} ms`]),
    `${inFlight} in flight`,
    ...(weight === 1 ? [] : [`weight ${weight}`]),
    ...(zone === 'unknown' ? [] : [`zone ${zone}`]),
    identity ?? 'not meshed',
    ...(lastError === undefined || state === 'ready' ? [] : [lastError]),
  ].join(', ')
}
