/** Backends of outbound routes and how traffic is spread over them. */
import type { Backend as BackendMessage, ExponentialBackoff } from '../../../api/gen/outbound_pb.js'
import type { BackoffParams } from '../../policy/backoff.ts'
import { DECAY_MS, SEED_RTT_MS } from '../../policy/balance/peak-ewma.ts'
import { DEFAULT_PENALTY, type PenaltyParams } from '../../policy/balance/penalty.ts'
import type { Backend, BackendTarget, Distribution, RouteBackend } from '../../policy/outbound-policy.ts'
import { endpointOf } from './endpoint.ts'
import { metaOf } from './meta.ts'
import { durationMs, Refused, required, requiredMs, within } from './refused.ts'
import { sessionAffinityOf } from './session-affinity.ts'

/** What the four generated distribution types have in common; `M` is their filter message. */
export interface DistributionMessage<M> {
  readonly kind:
    | { readonly case: 'empty'; readonly value: unknown }
    | { readonly case: 'firstAvailable'; readonly value: { readonly backends: readonly RouteBackendMessage<M>[] } }
    | { readonly case: 'randomAvailable'; readonly value: { readonly backends: readonly WeightedMessage<M>[] } }
    | { readonly case: undefined; readonly value?: undefined }
}

interface WeightedMessage<M> {
  readonly backend?: RouteBackendMessage<M> | undefined
  readonly weight: number
}

/** One message type's filters, and what refuses a request where no weight is left to draw by. */
export interface FilterKind<M, F> {
  convert(message: M): F
  noWeights(message: string): F
}

interface RouteBackendMessage<M> {
  readonly backend?: BackendMessage | undefined
  readonly filters: readonly M[]
}

/** The distribution, and filters of the rule that follow from it. */
export interface ConvertedDistribution<F> {
  readonly distribution: Distribution<F>
  readonly filters: readonly F[]
}

/** @param route for messages: `HTTPRoute web.shop` */
export function distributionOf<M, F>(
  message: DistributionMessage<M> | undefined,
  filters: FilterKind<M, F>,
  route: string,
): ConvertedDistribution<F> {
  const { kind } = required(message, 'the distribution over backends')
  switch (kind.case) {
    case 'empty':
      return { distribution: { kind: 'empty' }, filters: [] }
    case 'firstAvailable': {
      const backends = kind.value.backends.map((backend) => routeBackendOf(backend, 1, filters))
      if (backends.length === 0) throw new Refused('a first-available distribution has no backends')
      return { distribution: { kind: 'firstAvailable', backends }, filters: [] }
    }
    case 'randomAvailable': {
      const backends = kind.value.backends.map(({ backend, weight }) =>
        routeBackendOf(required(backend, 'the backend of a weighted backend'), weight, filters),
      )
      if (backends.length === 0) throw new Refused('a random-available distribution has no backends')
      // The only backend gets everything, whatever its weight.
      if (backends.length === 1) return { distribution: { kind: 'firstAvailable', backends }, filters: [] }
      const totalWeight = backends.reduce((sum, { weight }) => sum + weight, 0)
      if (totalWeight === 0)
        return { distribution: { kind: 'empty' }, filters: [filters.noWeights(`${route}: all backends have weight 0`)] }
      return { distribution: { kind: 'randomAvailable', backends, totalWeight }, filters: [] }
    }
    case undefined:
      throw new Refused('a distribution over backends is of a kind this version does not know')
  }
}

export function backoffOf(message: ExponentialBackoff): BackoffParams {
  const minMs = requiredMs(message.minBackoff, 'min_backoff')
  const maxMs = requiredMs(message.maxBackoff, 'max_backoff')
  const jitter = message.jitterRatio
  if (maxMs === 0 || minMs > maxMs) throw new Refused(`a back-off from ${minMs} ms to ${maxMs} ms is not possible`)
  if (!(jitter >= 0 && jitter <= 100)) throw new Refused(`the jitter ratio ${jitter} is not in 0 to 100`)
  return { minMs, maxMs, jitter }
}

function routeBackendOf<M, F>(
  message: RouteBackendMessage<M>,
  weight: number,
  filters: FilterKind<M, F>,
): RouteBackend<F> {
  const backend = backendOf(required(message.backend, 'a backend'))
  return { backend, weight, filters: message.filters.map((filter) => filters.convert(filter)) }
}

export function backendOf(message: BackendMessage): Backend {
  const meta = metaOf(message.metadata, 'a backend', true)
  return within(`backend ${meta.name}`, () => {
    // Read and checked, but the proxy's own queue settings are used.
    requiredMs(required(message.queue, 'queue').failfastTimeout, 'failfast_timeout')
    return { meta, target: targetOf(message) }
  })
}

function targetOf({ kind }: BackendMessage): BackendTarget {
  switch (kind.case) {
    case 'forward':
      return { kind: 'forward', endpoint: endpointOf(kind.value, {}) }
    case 'balancer': {
      const { discovery, load, sessionAffinity, slowStart } = kind.value
      const { kind: source } = required(discovery, 'discovery')
      if (source.case === undefined) throw new Refused('discovery is of a kind this version does not know')
      const affinity = sessionAffinity && { affinity: sessionAffinityOf(sessionAffinity) }
      const slowStartMs = slowStart && requiredMs(slowStart.window, 'the window of a slow start')
      const ramp = slowStartMs ? { slowStartMs } : undefined
      return { kind: 'balancer', path: destinationPath(source.value.path), ...loadOf(load), ...affinity, ...ramp }
    }
    case undefined:
      return { kind: 'none' }
  }
}

type Load = Extract<BackendMessage['kind'], { case: 'balancer' }>['value']['load']

function loadOf(load: Load): { seedRttMs: number; decayMs: number; penalty?: PenaltyParams } {
  switch (load.case) {
    case 'peakEwma': {
      const seedRttMs = requiredMs(load.value.defaultRtt, 'default_rtt')
      return { seedRttMs, decayMs: positive(requiredMs(load.value.decay, 'decay')) }
    }
    case 'penaltyPeakEwma': {
      const seedRttMs = durationMs(load.value.defaultRtt, 'default_rtt') ?? SEED_RTT_MS
      const penalty = {
        penaltyMs: durationMs(load.value.penalty, 'penalty') ?? DEFAULT_PENALTY.penaltyMs,
        maxRetryAfterMs: durationMs(load.value.maxRetryAfter, 'max_retry_after') ?? DEFAULT_PENALTY.maxRetryAfterMs,
      }
      return { seedRttMs, decayMs: positive(durationMs(load.value.decay, 'decay') ?? DECAY_MS), penalty }
    }
    case undefined:
      throw new Refused('the load estimate is of a kind this version does not know')
  }
}

/** A decay of zero would divide by zero; one millisecond forgets as fast as anybody can tell. */
function positive(decayMs: number): number {
  return Math.max(decayMs, 1)
}

/** `name:port`, in lower case and without a trailing dot. */
export function destinationPath(path: string): string {
  const [, name, port] = /^([A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?)\.?:(\d{1,5})$/.exec(path) ?? []
  const isAddress = name !== undefined && /^[\d.]+$/.test(name)
  if (name === undefined || isAddress || Number(port) === 0 || Number(port) > 65_535) {
    throw new Refused(`"${path}" is not name:port`)
  }
  return `${name.toLowerCase()}:${Number(port)}`
}
