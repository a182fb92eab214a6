/** What the proxy asks the control plane, in policy types. `control-plane.ts` is the real one; tests hand in values. */
import type { EndpointMeta } from '../policy/endpoint.ts'
import type { InboundServer } from '../policy/inbound-policy.ts'
import type { OutboundPolicy } from '../policy/outbound-policy.ts'
import type { Profile } from '../policy/profile.ts'

/** A standing question; closing it ends the updates at once. */
export interface Watch {
  close(): void
}

/** Endpoints of one name: the complete set, or a change of it. */
export type EndpointUpdate =
  | { readonly kind: 'reset'; readonly endpoints: readonly EndpointMeta[] }
  | { readonly kind: 'add'; readonly endpoints: readonly EndpointMeta[] }
  | { readonly kind: 'remove'; readonly addresses: readonly string[] }

/**
 * Every watch reconnects by itself with back-off and keeps the last state meanwhile; each call of a listener is a
 * complete answer (endpoints: see `EndpointUpdate`).
 */
export interface Discovery {
  /** Destination.GetProfile of `ip:port`; `undefined` when the control plane says that there is no profile. */
  watchProfile(address: string, onUpdate: (profile: Profile | undefined) => void): Watch
  /** OutboundPolicies.Watch of `ip:port`; `undefined` for NOT_FOUND and UNIMPLEMENTED; `refused` ends the watch. */
  watchOutboundPolicy(
    address: string,
    onUpdate: (policy: OutboundPolicy | undefined | { readonly kind: 'refused'; readonly reason: string }) => void,
  ): Watch
  /** Destination.Get of `name:port`; `onFailed` when the control plane refuses for good. */
  watchEndpoints(path: string, onUpdate: (update: EndpointUpdate) => void, onFailed: (reason: string) => void): Watch
  /** InboundServerPolicies.WatchPort of this workload. */
  watchPort(port: number, onUpdate: (server: InboundServer) => void): Watch
}
