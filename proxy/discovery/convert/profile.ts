/**
 * `destination.proto` profiles to `Profile`.
 *
 * Unlike a policy a profile is never refused whole: what cannot be read does not match, is not retried, has no limit,
 * and is named in `problems` for the log.
 */
import type {
  ResponseClass as ClassMessage,
  DestinationProfile,
  HttpStatusRange,
  RequestMatch,
  ResponseMatch,
  RetryBudget,
  Route as RouteMessage,
  WeightedDst,
} from '../../../api/gen/destination_pb.js'
import { compileAnchoredPattern } from '../../../api/regex.ts'
import type {
  Profile,
  ProfileRoute,
  RequestCondition,
  ResponseClass,
  ResponseCondition,
  WeightedTarget,
} from '../../policy/profile.ts'
import type { RetryBudgetParams } from '../../policy/retry-budget.ts'
import { destinationPath } from './distribution.ts'
import { endpointOf, labelsOf } from './endpoint.ts'
import { methodOf } from './match.ts'
import { limitMs, Refused, required, requiredMs, within } from './refused.ts'

const MAX_RETRIES_PER_SECOND = 2 ** 31 - 1
const TTL_MS = { min: 1_000, max: 60_000 } as const

export function profileOf(message: DestinationProfile): Profile {
  const problems: string[] = []
  const collect = <T>(place: string, convert: () => T): T | undefined => {
    try {
      return within(place, convert)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      problems.push(error.message)
      return undefined
    }
  }
  const routes = message.routes.map((route, index) => {
    const name = labelsOf({}, route.metricsLabels).get('route') ?? ''
    return collect(name === '' ? `route ${index}` : `route "${name}"`, () => routeOf(route, name, collect))
  })
  const overrides = message.dstOverrides.map((dst) => collect('dst override', () => overrideOf(dst)))
  const { retryBudget, endpoint } = message
  return {
    name: message.fullyQualifiedName.toLowerCase().replace(/\.$/, ''),
    isOpaque: message.opaqueProtocol,
    routes: routes.filter((route) => route !== undefined),
    budget: retryBudget && collect('retry budget', () => budgetOf(retryBudget)),
    overrides: overrides.filter((override) => override !== undefined && override.weight > 0) as WeightedTarget[],
    endpoint: endpoint && collect('profile', () => endpointOf(endpoint, {})),
    problems,
  }
}

type Collect = <T>(place: string, convert: () => T) => T | undefined

function routeOf(message: RouteMessage, name: string, collect: Collect): ProfileRoute {
  const classes = message.responseClasses.map((it, index) =>
    collect(`route "${name}", response class ${index}`, () => classOf(it)),
  )
  return {
    name,
    labels: labelsOf({}, message.metricsLabels),
    condition: requestConditionOf(required(message.condition, 'condition')),
    responseClasses: classes.filter((it) => it !== undefined),
    isRetryable: message.isRetryable,
    timeoutMs: collect(`route "${name}"`, () => limitMs(message.timeout, 'timeout')),
  }
}

function requestConditionOf({ match }: RequestMatch): RequestCondition {
  switch (match.case) {
    case 'all':
    case 'any':
      return { kind: match.case, of: match.value.matches.map(requestConditionOf) }
    case 'not':
      return { kind: 'not', of: requestConditionOf(match.value) }
    case 'path': {
      const pattern = compileAnchoredPattern(match.value.regex)
      if ('problem' in pattern) throw new Refused(pattern.problem)
      return { kind: 'path', pattern }
    }
    case 'method':
      return { kind: 'method', method: methodOf(match.value) }
    case undefined:
      throw new Refused('its condition is of a kind this version does not know')
  }
}

function classOf({ condition, isFailure }: ClassMessage): ResponseClass {
  return { condition: responseConditionOf(required(condition, 'condition')), isFailure }
}

function responseConditionOf({ match }: ResponseMatch): ResponseCondition {
  switch (match.case) {
    case 'all':
    case 'any':
      if (match.value.matches.length === 0) throw new Refused(`"${match.case}" of nothing`)
      return { kind: match.case, of: match.value.matches.map(responseConditionOf) }
    case 'not':
      return { kind: 'not', of: responseConditionOf(match.value) }
    case 'status':
      return { kind: 'status', ...statusRangeOf(match.value) }
    case undefined:
      throw new Refused('its condition is of a kind this version does not know')
  }
}

function statusRangeOf({ min, max }: HttpStatusRange): { min: number; max: number } {
  if (min < 100 || max < 100 || min > 999 || max > 999) throw new Refused(`${min} to ${max} is not a range of statuses`)
  return { min, max }
}

function budgetOf({ retryRatio, minRetriesPerSecond, ttl }: RetryBudget): RetryBudgetParams {
  const ttlMs = requiredMs(ttl, 'ttl')
  if (!(retryRatio >= 0 && retryRatio <= 1_000)) throw new Refused(`the ratio ${retryRatio} is not in 0 to 1000`)
  if (minRetriesPerSecond > MAX_RETRIES_PER_SECOND)
    throw new Refused(`${minRetriesPerSecond} retries per second are too many`)
  if (ttlMs < TTL_MS.min || ttlMs > TTL_MS.max) throw new Refused(`the ttl of ${ttlMs} ms is not in 1 s to 60 s`)
  // On the wire the ratio is a 32-bit float; 0.2 should not become 0.20000000298.
  return { retryRatio: Number(retryRatio.toPrecision(7)), minRetriesPerSecond, ttlMs }
}

function overrideOf({ authority, weight }: WeightedDst): WeightedTarget {
  return { authority: destinationPath(authority), weight }
}
