/**
 * What the proxy would do with a request, as data: the JSON that `POST /explain` answers with. Absent is what does not apply.
 */
import type { RouteFinding } from '../policy/route-findings.ts'

export interface Explanation {
  readonly direction: 'outbound' | 'inbound'
  readonly request: RequestSummary
  readonly policy: PolicySummary
  readonly outcome: Outcome
  /** What else is worth knowing, in sentences. */
  readonly notes: readonly string[]
  /** The routes that were looked at; `omitted` more are not listed. */
  readonly routes: { readonly listed: readonly ExplainedFinding[]; readonly omitted: number }
  /** What the chosen rule says. */
  readonly rule?: ExplainedRule
  /** Inbound: in their order; the first one that permits decides. */
  readonly authorizations?: readonly ExplainedAuthorization[]
  readonly rateLimit?: ExplainedRateLimit
}

export interface RequestSummary {
  readonly method: string
  /** With the query. */
  readonly path: string
  readonly authority?: string
  readonly protocol: 'HTTP/1' | 'HTTP/2'
  readonly isGrpc: boolean
  /** Inbound: who asks. */
  readonly client?: { readonly address: string; readonly tls: 'none' | 'tls' | 'mesh'; readonly identity?: string }
}

export interface PolicySummary {
  /** Discovery has answered; otherwise this is what holds until it does. */
  readonly isKnown: boolean
  /** `10.96.0.1:80`, or the port of the pod. */
  readonly address: string
  /** The Service, EgressNetwork, Server or default. */
  readonly object?: ObjectRef
  /** How connections are served: `detect`, `http1`, `opaque` … */
  readonly protocol?: string
}

/** A resource, or a default that has only a name. */
export interface ObjectRef {
  readonly kind: string
  readonly name: string
  readonly namespace?: string
  readonly group?: string
  readonly port?: number
  /** Which state of the resource; absent where the control plane does not say. */
  readonly generation?: number
}

/** `split`: it depends on the draw, see the backends. `wait`: no endpoint is ready now. `bytes`: forwarded unread. */
export interface Outcome {
  readonly action: 'forward' | 'split' | 'wait' | 'answer' | 'bytes' | 'refuse' | 'unknown'
  /** Of an answer of the proxy. */
  readonly status?: number
  readonly grpcStatus?: number
  readonly fields?: readonly (readonly [string, string])[]
  readonly message: string
}

export interface ExplainedFinding extends Omit<RouteFinding, 'route'> {
  readonly route: ObjectRef
}

export interface ExplainedRule {
  readonly route: ObjectRef
  /** Its place in the route; -1 for what no route of a profile is about. */
  readonly rule: number
  readonly filters: readonly string[]
  readonly timeouts?: Readonly<Record<string, number>>
  readonly retries?: readonly string[]
  /** How the backend is chosen. */
  readonly distribution?: 'firstAvailable' | 'randomAvailable'
  readonly affinity?: string
  readonly mirrors?: readonly { readonly backend: string; readonly ratio: number }[]
  readonly backends?: readonly ExplainedBackend[]
}

export interface ExplainedBackend {
  readonly object: ObjectRef
  /** What is discovered; absent when it cannot be resolved. */
  readonly name?: string
  readonly weight: number
  /** Of attempts, now: 0 to 1. */
  readonly share: number
  readonly filters: readonly string[]
  /** What becomes of an attempt that goes there. */
  readonly outcome: Outcome
  readonly isFailFast?: boolean
  readonly waiting?: number
  readonly ready?: number
  readonly endpoints?: readonly ExplainedEndpoint[]
  readonly omittedEndpoints?: number
}

export interface ExplainedEndpoint {
  readonly address: string
  /** Absent where it is not meshed. */
  readonly identity?: string
  readonly weight: number
  readonly zone: string
  readonly state: 'ready' | 'connecting' | 'ejected' | 'probe due' | 'probing'
  /** How long it stays ejected. */
  readonly forMs?: number
  /** What the balancer believes; absent before the first answer. */
  readonly latencyMs?: number
  readonly inFlight: number
  /** Why the last attempt to connect failed. */
  readonly lastError?: string
}

export interface ExplainedAuthorization {
  readonly object: ObjectRef
  readonly permits: boolean
  readonly reason: string
}

export interface ExplainedRateLimit {
  readonly object: ObjectRef
  readonly passes: boolean
  readonly reason: string
}
