/**
 * Local rate limits of one port (HTTPLocalRateLimitPolicy): how many requests per second this proxy lets through, in all
 * and from each client. Checked when a request is authorised and its filters are applied.
 *
 * Every limit is also its burst. A request takes from all its buckets or from none: a client that exceeds its own limit
 * uses nothing up of what all have in common.
 */
import { burstMsOf, Gcra } from './gcra.ts'
import type { Meta } from './meta.ts'

/** Requests per second; 0 is no limit. */
export interface RateLimit {
  /** The HTTPLocalRateLimitPolicy: labels `ratelimit_group`, `ratelimit_kind`, `ratelimit_name`. */
  readonly meta: Meta
  /** Of all clients together. */
  readonly total: number
  /** Of each client by its identity; all without one share a bucket. */
  readonly identity: number
  /** Instead of `identity`; where two name a client the later one counts. */
  readonly overrides: readonly RateOverride[]
}

/** A limit that the listed clients share. */
export interface RateOverride {
  /** Above 0. */
  readonly requestsPerSecond: number
  readonly identities: readonly string[]
}

/** Why a request does not pass. */
export interface RateExceeded {
  /** Label `ratelimit_scope`; overrides count as `identity`. */
  readonly scope: 'total' | 'identity'
  readonly message: string
  /** Until one request may pass; whole seconds, at least 1. */
  readonly retryAfterSeconds: number
}

/**
 * Identities with a bucket of their own, in each half of what is remembered. A bucket is forgotten when it is full again,
 * so these are the clients of the last two bursts (two seconds for most limits). Beyond the bound further ones share one
 * bucket until others are forgotten: they are limited together, never let through.
 */
export const MAX_IDENTITIES = 4_096

/** A bucket, and what is said when it is empty. */
interface Limited {
  readonly bucket: Gcra
  readonly message: string
}

export class RateLimiter {
  readonly limit: RateLimit
  readonly #workers: number = 1
  readonly #total: Limited | undefined = undefined
  readonly #identities: IdentityLimits | undefined = undefined
  readonly #overrides: ReadonlyMap<string, Limited>
  /** By rate and clients, for the limiter that replaces this one. */
  readonly #overridesByKey = new Map<string, Limited>()

  /**
   * @param workers processes that share the port: each admits its part
   * @param previous of the same port, whose buckets go on where their limit is the same: an update of the policy is no second burst
   */
  constructor(limit: RateLimit, workers: number, previous: RateLimiter | undefined) {
    this.limit = limit
    this.#workers = workers
    const { total, identity, overrides } = limit
    const isSameTotal = previous !== undefined && previous.limit.total === total
    this.#total = isSameTotal ? previous.#total : total > 0 ? this.#limited('total', total) : undefined
    const isSameIdentity = previous !== undefined && previous.limit.identity === identity
    this.#identities = isSameIdentity ? previous.#identities : identity > 0 ? this.#perIdentity(identity) : undefined
    const byIdentity = new Map<string, Limited>()
    for (const { requestsPerSecond, identities } of overrides) {
      const key = JSON.stringify([requestsPerSecond, [...identities].sort()])
      const known = previous === undefined ? undefined : previous.#overridesByKey.get(key)
      const limited = known ?? this.#limited('override', requestsPerSecond)
      this.#overridesByKey.set(key, limited)
      for (const name of identities) byIdentity.set(name, limited)
    }
    this.#overrides = byIdentity
  }

  /**
   * Lets one request pass, or says why not.
   *
   * @param identity `undefined` for a client without one
   */
  tryPass(identity: string | undefined, nowMs: number): RateExceeded | undefined {
    const total = this.#total
    const refused = exceeded('total', total, nowMs)
    if (refused !== undefined) return refused
    const own = this.#own(identity, nowMs)
    const ownRefused = exceeded('identity', own, nowMs)
    if (ownRefused !== undefined) return ownRefused
    own?.bucket.take(nowMs)
    total?.bucket.take(nowMs)
    return undefined
  }

  /** What `tryPass` would say now; takes nothing and remembers nobody. */
  peek(identity: string | undefined, nowMs: number): RateExceeded | undefined {
    const own =
      identity === undefined
        ? this.#identities?.anonymous
        : (this.#overrides.get(identity) ?? this.#identities?.peek(identity))
    return exceeded('total', this.#total, nowMs) ?? exceeded('identity', own, nowMs)
  }

  #own(identity: string | undefined, nowMs: number): Limited | undefined {
    if (identity === undefined) return this.#identities?.anonymous
    return this.#overrides.get(identity) ?? this.#identities?.of(identity, nowMs)
  }

  #perIdentity(requestsPerSecond: number): IdentityLimits {
    const newLimited = (): Limited => this.#limited('per-identity', requestsPerSecond)
    return new IdentityLimits(newLimited, burstMsOf(requestsPerSecond / this.#workers))
  }

  #limited(what: string, requestsPerSecond: number): Limited {
    const share = this.#workers === 1 ? '' : `, of which each of ${this.#workers} workers admits its part`
    return {
      bucket: new Gcra(requestsPerSecond / this.#workers),
      message: `${what} rate limit exceeded: ${requestsPerSecond}rps${share}`,
    }
  }
}

/** The buckets of clients by identity, in two generations: what a whole burst long was not asked for is full, and goes. */
class IdentityLimits {
  readonly anonymous: Limited
  readonly #newLimited: () => Limited
  readonly #burstMs: number = 0
  #current = new Map<string, Limited>()
  #previous = new Map<string, Limited>()
  #turnAtMs = 0
  #shared: Limited | undefined = undefined

  constructor(newLimited: () => Limited, burstMs: number) {
    this.#newLimited = newLimited
    this.#burstMs = burstMs
    this.anonymous = newLimited()
  }

  of(identity: string, nowMs: number): Limited {
    if (nowMs >= this.#turnAtMs) this.#turn(nowMs)
    const known = this.#current.get(identity)
    if (known !== undefined) return known
    if (this.#current.size >= MAX_IDENTITIES) {
      this.#shared ??= this.#newLimited()
      return this.#shared
    }
    const limited = this.#previous.get(identity) ?? this.#newLimited()
    this.#current.set(identity, limited)
    return limited
  }

  /** The bucket that a request would find; without one it is full. */
  peek(identity: string): Limited | undefined {
    const known = this.#current.get(identity) ?? this.#previous.get(identity)
    return known ?? (this.#current.size >= MAX_IDENTITIES ? this.#shared : undefined)
  }

  #turn(nowMs: number): void {
    // Nobody asked for two bursts: then all that is remembered is full.
    this.#previous = nowMs < this.#turnAtMs + this.#burstMs ? this.#current : new Map()
    this.#current = new Map()
    this.#turnAtMs = nowMs + this.#burstMs
  }
}

function exceeded(scope: RateExceeded['scope'], limited: Limited | undefined, nowMs: number): RateExceeded | undefined {
  if (limited === undefined) return undefined
  const waitMs = limited.bucket.waitMs(nowMs)
  if (waitMs === 0) return undefined
  return { scope, message: limited.message, retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)) }
}
