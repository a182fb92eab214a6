/**
 * One original destination: what discovery says about it and what that means for connections and requests.
 *
 * Profile and policy are asked for together and a connection waits for both. From then on updates replace the routing;
 * open connections keep the protocol they were accepted with.
 */
import type { Discovery, Watch } from '../discovery/discovery.ts'
import { DECAY_MS, SEED_RTT_MS } from '../policy/balance/peak-ewma.ts'
import { pickBackend } from '../policy/distribution.ts'
import { type EndpointMeta, plainEndpoint } from '../policy/endpoint.ts'
import type { ConnectionFilter } from '../policy/filter.ts'
import { defaultMeta, describeMeta, type Meta } from '../policy/meta.ts'
import {
  type Distribution,
  type HttpPolicy,
  hasHttpRoutes,
  type OpaqueRoute,
  type OutboundPolicy,
  type TlsRoute,
} from '../policy/outbound-policy.ts'
import { type Profile, routesHttp, splitsOpaque } from '../policy/profile.ts'
import type { Backend } from './backend.ts'
import { type BalancedTarget, targetKey } from './backend-cache.ts'
import {
  forwardPolicy,
  httpPolicyOf,
  PolicyRouting,
  ProfileRouting,
  type Routing,
  type RoutingDeps,
} from './routing.ts'

/** How connections to the target are served. */
export type TargetProtocol =
  | { readonly kind: 'detect' }
  | { readonly kind: 'http1' }
  | { readonly kind: 'http2' }
  | { readonly kind: 'opaque' }
  | { readonly kind: 'tls' }
  /** The control plane said something that cannot be served: HTTP is answered 500, other connections are closed. */
  | { readonly kind: 'invalid'; readonly reason: string }
  /** No connection is accepted. */
  | { readonly kind: 'refused'; readonly reason: string }

/** Where an opaque connection goes: to a backend, or nowhere for a reason. */
export type OpaqueChoice =
  | { readonly kind: 'backend'; readonly backend: Backend }
  | {
      readonly kind: 'refused'
      readonly error: 'forbidden' | 'invalid_backend' | 'invalid_policy' | 'unexpected'
      readonly reason: string
    }

type Refusal = { readonly kind: 'refused'; readonly reason: string }

export class Target {
  readonly ip: string
  readonly port: number
  readonly #deps: RoutingDeps
  readonly #watches: Watch[] = []
  #profile: Profile | undefined = undefined
  #hasProfile = false
  #policy: OutboundPolicy | Refusal | undefined = undefined
  #hasPolicy = false
  #waiting: (() => void)[] = []
  #http1: Routing | undefined = undefined
  #http2: Routing | undefined = undefined
  #heldOpaque = new Map<string, { readonly target: BalancedTarget; readonly backend: Backend }>()
  #isClosed = false
  /** Counts updates: what was chosen under another one may not hold any more. */
  revision = 0

  constructor(ip: string, port: number, deps: RoutingDeps) {
    this.ip = ip
    this.port = port
    this.#deps = deps
  }

  /** Starts discovery; `isProfiled`: the address is inside the profile networks. */
  start(discovery: Discovery, address: string, isProfiled: boolean): void {
    if (isProfiled) this.#watches.push(discovery.watchProfile(address, (profile) => this.#onProfile(profile)))
    else this.#hasProfile = true
    this.#watches.push(discovery.watchOutboundPolicy(address, (policy) => this.#onPolicy(policy)))
  }

  get isReady(): boolean {
    return this.#hasProfile && this.#hasPolicy
  }

  /** Calls back once profile and policy are known; at once when they are. */
  whenReady(callback: () => void): void {
    if (this.isReady) callback()
    else this.#waiting.push(callback)
  }

  /** For messages and metrics: the policy's parent, or the address. */
  get parent(): Meta {
    const policy = this.#policy
    return policy?.kind === 'target' ? policy.parent : defaultMeta(`${this.ip}:${this.port}`)
  }

  get parentName(): string {
    const policy = this.#policy
    return policy?.kind === 'target' ? describeMeta(policy.parent) : `${this.ip}:${this.port}`
  }

  /** The logical destination `name:port` when a profile gives one. */
  get logicalName(): string | undefined {
    const profile = this.#profile
    return profile === undefined || profile.name === '' ? undefined : `${profile.name}:${this.port}`
  }

  get protocol(): TargetProtocol {
    if (this.#profile?.isOpaque) return { kind: 'opaque' }
    const policy = this.#policy
    if (policy === undefined) return { kind: 'detect' }
    switch (policy.kind) {
      case 'refused':
      case 'invalid':
        return policy
      case 'target':
        return policy.protocol.kind === 'grpc' ? { kind: 'http2' } : { kind: policy.protocol.kind }
    }
  }

  /**
   * Whether a server may be dialled before the client has spoken. Not where profile or policy say something about HTTP:
   * then the target is known to be spoken to in it.
   */
  get mayDialEarly(): boolean {
    if (this.protocol.kind !== 'detect') return false
    if (this.#profile !== undefined && this.#profile.routes.length > 0) return false
    const policy = this.#policy
    return policy === undefined || (policy.kind === 'target' && !hasHttpRoutes(policy.protocol))
  }

  /** The routing of requests of one HTTP version; `undefined` when the policy serves no HTTP. */
  routing(isHttp2: boolean): Routing | undefined {
    const known = isHttp2 ? this.#http2 : this.#http1
    if (known !== undefined) return known
    const made = this.#newRouting(isHttp2, this.#deps)
    if (isHttp2) this.#http2 = made
    else this.#http1 = made
    return made
  }

  /** As `routing`, but where nobody has asked yet one made of other parts, which `release` lets go of. */
  peekRouting(isHttp2: boolean, deps: RoutingDeps): { readonly routing: Routing | undefined; release(): void } {
    const known = isHttp2 ? this.#http2 : this.#http1
    if (known !== undefined) return { routing: known, release() {} }
    const routing = this.#newRouting(isHttp2, deps)
    return { routing, release: () => routing?.release() }
  }

  /** Draws the backend of one opaque connection. */
  chooseOpaque(): OpaqueChoice {
    const profile = this.#profile
    if (profile !== undefined && splitsOpaque(profile)) return this.#chooseOverride(profile)
    const policy = this.#policy
    if (policy === undefined) return this.#held({ kind: 'forward', endpoint: this.#forwardTo })
    if (policy.kind !== 'target') return { kind: 'refused', error: 'invalid_policy', reason: policy.reason }
    switch (policy.protocol.kind) {
      case 'opaque':
        return this.#chooseRoute(policy.protocol.opaque.route)
      case 'detect':
        return this.#chooseRoute(policy.protocol.opaque.route)
      default:
        // An HTTP-only policy on a port its profile calls opaque: the Service itself is the only sensible backend.
        if (profile !== undefined && profile.name !== '')
          return this.#held(logicalTarget(`${profile.name}:${this.port}`))
        return {
          kind: 'refused',
          error: 'invalid_policy',
          reason: `${describeMeta(policy.parent)} serves ${policy.protocol.kind} only`,
        }
    }
  }

  /** Draws the backend of a connection whose TLS route was found by SNI. */
  chooseTls(route: TlsRoute | undefined): OpaqueChoice {
    return this.#chooseRoute(route)
  }

  get tlsRoutes(): readonly TlsRoute[] {
    const policy = this.#policy
    return policy?.kind === 'target' && policy.protocol.kind === 'tls' ? policy.protocol.routes : []
  }

  close(): void {
    this.#isClosed = true
    for (const watch of this.#watches.splice(0)) watch.close()
    this.#dropRoutings()
  }

  #onProfile(profile: Profile | undefined): void {
    if (this.#isClosed) return
    this.#profile = profile
    this.#hasProfile = true
    this.#onUpdate()
  }

  #onPolicy(policy: OutboundPolicy | Refusal | undefined): void {
    if (this.#isClosed) return
    this.#policy = policy
    this.#hasPolicy = true
    this.#onUpdate()
  }

  #onUpdate(): void {
    this.revision++
    // What comes next is acquired before what was is released, so an unchanged backend keeps its connections.
    const old = [this.#http1, this.#http2]
    const oldOpaque = this.#heldOpaque
    const hadHttp1 = this.#http1 !== undefined
    const hadHttp2 = this.#http2 !== undefined
    this.#http1 = undefined
    this.#http2 = undefined
    this.#heldOpaque = new Map()
    if (this.isReady) {
      if (hadHttp1) this.routing(false)
      if (hadHttp2) this.routing(true)
    }
    for (const routing of old) routing?.release()
    for (const { target } of oldOpaque.values()) this.#deps.cache.release(target)
    if (!this.isReady) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const callback of waiting) callback()
  }

  #dropRoutings(): void {
    this.#http1?.release()
    this.#http2?.release()
    this.#http1 = undefined
    this.#http2 = undefined
    for (const { target } of this.#heldOpaque.values()) this.#deps.cache.release(target)
    this.#heldOpaque.clear()
  }

  get #forwardTo(): EndpointMeta {
    return this.#profile?.endpoint ?? plainEndpoint(this.ip, this.port)
  }

  #newRouting(isHttp2: boolean, deps: RoutingDeps): Routing | undefined {
    const profile = this.#profile
    if (profile !== undefined && routesHttp(profile)) return new ProfileRouting(profile, this.port, deps)
    const policy = this.#policy
    if (policy === undefined) return new PolicyRouting(this.parent, forwardPolicy(this.#forwardTo), false, deps)
    if (policy.kind !== 'target') return undefined
    const http: HttpPolicy | undefined = httpPolicyOf(policy, isHttp2)
    return http && new PolicyRouting(policy.parent, http, policy.protocol.kind === 'grpc', deps)
  }

  #chooseOverride(profile: Profile): OpaqueChoice {
    let total = 0
    for (const { weight } of profile.overrides) total += weight
    let point = this.#deps.random() * total
    for (const { authority, weight } of profile.overrides) {
      if (point < weight) return this.#held(logicalTarget(authority))
      point -= weight
    }
    return this.#held(logicalTarget(profile.overrides[profile.overrides.length - 1]!.authority))
  }

  #chooseRoute(route: OpaqueRoute | undefined): OpaqueChoice {
    if (route === undefined)
      return { kind: 'refused', error: 'invalid_policy', reason: `${this.parentName} has no route for this connection` }
    const refusal = refusalOf(route.filters)
    if (refusal !== undefined) return refusal
    const picked = pickBackend(
      route.distribution as Distribution<ConnectionFilter>,
      this.#deps.random,
      ({ backend, filters }) => {
        if (backend.target.kind === 'none' || filters.length > 0) return true
        const choice = this.#held(backend.target)
        return choice.kind === 'backend' && (choice.backend.hasReady() || route.distribution.kind !== 'randomAvailable')
      },
    )
    if (picked === undefined)
      return {
        kind: 'refused',
        error: 'unexpected',
        reason: `${describeMeta(route.meta)} has no backend that is ready`,
      }
    const backendRefusal = refusalOf(picked.filters)
    if (backendRefusal !== undefined) return backendRefusal
    const { target } = picked.backend
    if (target.kind === 'none')
      return {
        kind: 'refused',
        error: 'invalid_backend',
        reason: `the backend ${describeMeta(picked.backend.meta)} does not exist`,
      }
    return this.#held(target)
  }

  /** A backend that is kept as long as the target and its policy are. */
  #held(target: BalancedTarget): OpaqueChoice {
    const key = targetKey(target)
    let held = this.#heldOpaque.get(key)
    if (held === undefined) {
      held = { target, backend: this.#deps.cache.acquire(target) }
      this.#heldOpaque.set(key, held)
    }
    return { kind: 'backend', backend: held.backend }
  }
}

function logicalTarget(path: string): BalancedTarget {
  return { kind: 'balancer', path, seedRttMs: SEED_RTT_MS, decayMs: DECAY_MS }
}

function refusalOf(filters: readonly ConnectionFilter[]): OpaqueChoice | undefined {
  const [filter] = filters
  if (filter === undefined) return undefined
  switch (filter.kind) {
    case 'forbidden':
      return { kind: 'refused', error: 'forbidden', reason: 'the policy forbids this connection' }
    case 'invalid':
      return { kind: 'refused', error: 'invalid_policy', reason: filter.message }
    case 'unsupported':
      return {
        kind: 'refused',
        error: 'invalid_policy',
        reason: `${filter.what} is not supported by this version of the proxy`,
      }
  }
}
