/** Profiles as messages of the destination API. */
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { durationFromMs, parseGoDurationMs } from '../../../api/duration.ts'
import {
  type DestinationProfile,
  DestinationProfileSchema,
  type RequestMatchSchema,
  type ResponseMatchSchema,
  type RetryBudgetSchema,
  RouteSchema,
  type WeightedDst,
  WeightedDstSchema,
} from '../../../api/gen/destination_pb.js'
import { HttpMethod_Registered } from '../../../api/gen/http_types_pb.js'
import type {
  DstOverride,
  ProfileRoute,
  RequestMatch as RequestCondition,
  ResponseMatch as ResponseCondition,
  RetryBudget,
  ServiceProfile,
} from '../../../api/resources/service-profile.ts'
import type { Profile } from '../model/profile.ts'
import { endpointMessage } from './endpoint-message.ts'

const DEFAULT_BUDGET: RetryBudget = { retryRatio: 0.2, minRetriesPerSecond: 10, ttl: '10s' }
/** A weight of 1 in a profile. */
const WEIGHT_UNIT = 10_000

export function profileMessage(profile: Profile): DestinationProfile {
  switch (profile.kind) {
    case 'undefinedPort':
      return create(DestinationProfileSchema)
    case 'endpoint':
      return create(DestinationProfileSchema, {
        endpoint: endpointMessage(profile.endpoint),
        opaqueProtocol: profile.isOpaque,
        retryBudget: budget(DEFAULT_BUDGET),
      })
    case 'service':
      return serviceMessage(profile)
  }
}

function serviceMessage(service: Extract<Profile, { kind: 'service' }>): DestinationProfile {
  const { fullName, isOpaque, name, namespace, port, profile } = service
  return create(DestinationProfileSchema, {
    fullyQualifiedName: fullName,
    opaqueProtocol: isOpaque,
    routes: profile?.spec.routes.map(routeMessage) ?? [],
    retryBudget: budget(profile?.spec.retryBudget ?? DEFAULT_BUDGET),
    dstOverrides: profile?.spec.dstOverrides.map((each) => overrideMessage(each, port)) ?? [],
    parentRef: { kind: { case: 'resource', value: { group: 'core', kind: 'Service', name, namespace, port } } },
    profileRef: { kind: { case: 'resource', value: { group: 'linkerd.io', ...reference(profile) } } },
  })
}

function reference(profile: ServiceProfile | undefined) {
  return profile === undefined
    ? {}
    : { kind: profile.kind, name: profile.metadata.name, namespace: profile.metadata.namespace }
}

function budget({ retryRatio, minRetriesPerSecond, ttl }: RetryBudget): MessageInitShape<typeof RetryBudgetSchema> {
  return { retryRatio, minRetriesPerSecond, ...duration('ttl', ttl) }
}

function routeMessage({ name, condition, isRetryable, timeout, responseClasses }: ProfileRoute) {
  return create(RouteSchema, {
    condition: requestMatch(condition),
    isRetryable,
    responseClasses: responseClasses.map((each) => ({
      condition: responseMatch(each.condition),
      isFailure: each.isFailure,
    })),
    metricsLabels: { route: name },
    ...duration('timeout', timeout),
  })
}

type RequestMatchInit = MessageInitShape<typeof RequestMatchSchema>
type ResponseMatchInit = MessageInitShape<typeof ResponseMatchSchema>

/** Fields of one condition are all required to hold. */
function requestMatch({ pathRegex, method, all, any, not }: RequestCondition): RequestMatchInit {
  const matches: RequestMatchInit[] = []
  if (pathRegex !== undefined) matches.push({ match: { case: 'path', value: { regex: pathRegex } } })
  if (method !== undefined) matches.push({ match: { case: 'method', value: { type: methodType(method) } } })
  if (all !== undefined) matches.push({ match: { case: 'all', value: { matches: all.map(requestMatch) } } })
  if (any !== undefined) matches.push({ match: { case: 'any', value: { matches: any.map(requestMatch) } } })
  if (not !== undefined) matches.push({ match: { case: 'not', value: requestMatch(not) } })
  return matches.length === 1 ? matches[0]! : { match: { case: 'all', value: { matches } } }
}

function responseMatch({ status, all, any, not }: ResponseCondition): ResponseMatchInit {
  const matches: ResponseMatchInit[] = []
  if (status !== undefined) {
    // A single bound means exactly that code. Proxies drop a class unless both are sent.
    const range = { min: status.min ?? status.max ?? 0, max: status.max ?? status.min ?? 0 }
    matches.push({ match: { case: 'status', value: range } })
  }
  if (all !== undefined) matches.push({ match: { case: 'all', value: { matches: all.map(responseMatch) } } })
  if (any !== undefined) matches.push({ match: { case: 'any', value: { matches: any.map(responseMatch) } } })
  if (not !== undefined) matches.push({ match: { case: 'not', value: responseMatch(not) } })
  return matches.length === 1 ? matches[0]! : { match: { case: 'all', value: { matches } } }
}

const METHODS: ReadonlyMap<string, HttpMethod_Registered> = new Map(
  Object.entries(HttpMethod_Registered).filter(
    (entry): entry is [string, HttpMethod_Registered] => typeof entry[1] === 'number',
  ),
)

function methodType(method: string) {
  const value = METHODS.get(method)
  return value === undefined
    ? ({ case: 'unregistered', value: method } as const)
    : ({ case: 'registered', value } as const)
}

function overrideMessage({ authority, weight }: DstOverride, port: number): WeightedDst {
  const hasPort = /:\d+$/.test(authority)
  return create(WeightedDstSchema, {
    authority: hasPort ? authority : `${authority}:${port}`,
    weight: Math.floor(parseWeight(weight) * WEIGHT_UNIT),
  })
}

const SUFFIXES: ReadonlyMap<string, number> = new Map([
  ['m', 1e-3],
  ['k', 1e3],
  ['M', 1e6],
  ['G', 1e9],
])

/** Kubernetes quantity; which texts are allowed was checked with the resource. */
function parseWeight(quantity: string): number {
  const [, digits = '0', suffix = ''] = /^(\d+(?:\.\d+)?)([mkMG]?)$/.exec(quantity) ?? []
  return Number(digits) * (SUFFIXES.get(suffix) ?? 1)
}

/** A duration field from Go's notation; absent where there is none, since zero would be something else. */
function duration<K extends string>(key: K, text: string | undefined) {
  const ms = text === undefined ? undefined : parseGoDurationMs(text)
  return ms === undefined || ms < 0
    ? {}
    : ({ [key]: durationFromMs(ms) } as Record<K, ReturnType<typeof durationFromMs>>)
}
