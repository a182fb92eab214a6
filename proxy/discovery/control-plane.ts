/**
 * `Discovery` by the control plane's gRPC APIs (facts: proxy API, "How each side uses it").
 *
 * One table says what each of the four questions does with a status; everything else about streams is `StreamWatch`, and
 * what messages mean is `convert/`.
 */
import { DestinationProfileTable, GetDestinationTable, UpdateTable } from '../../api/gen/destination_tables.ts'
import { PortSpecTable, ServerTable } from '../../api/gen/inbound_tables.ts'
import { OutboundPolicyTable, TrafficSpecTable } from '../../api/gen/outbound_tables.ts'
import { parseSocketAddress, tcpAddressToMessage } from '../../api/ip.ts'
import { decode, encode } from '../../api/messages/codec.ts'
import type { Timers } from '../io/timers.ts'
import type { BackoffParams } from '../policy/backoff.ts'
import { type InboundServer, invalidServer } from '../policy/inbound-policy.ts'
import type { OutboundPolicy } from '../policy/outbound-policy.ts'
import type { Profile } from '../policy/profile.ts'
import { destinationUpdateOf } from './convert/endpoint.ts'
import { inboundPolicyOf } from './convert/inbound.ts'
import { outboundPolicyOf } from './convert/outbound.ts'
import { profileOf } from './convert/profile.ts'
import type { Discovery, EndpointUpdate, Watch } from './discovery.ts'
import { controlBackoff, type GrpcChannel, type Status } from './grpc-client.ts'
import { describeStatus, GrpcStatus } from './grpc-status.ts'
import { type StreamLimits, StreamWatch, type StreamWatchOptions } from './stream-watch.ts'

export interface ControlPlaneOptions {
  /** Destination.Get and GetProfile. */
  readonly destination: GrpcChannel
  /** InboundServerPolicies and OutboundPolicies. */
  readonly policy: GrpcChannel
  /** Not applied to a control plane in the same pod. */
  readonly limits: StreamLimits
  /** Of every watch; default 100 ms … 60 s (10 s on loopback). */
  readonly backoff?: BackoffParams | undefined
  /** `LINKERD2_PROXY_DESTINATION_CONTEXT` as it is. */
  readonly contextToken: string
  /** `LINKERD2_PROXY_POLICY_WORKLOAD` as it is. */
  readonly workload: string
  /** For the server that stands in for a policy that was not understood. */
  readonly detectTimeoutMs: number
  readonly timers: Timers
  readonly random: () => number
  readonly log: (level: 'info' | 'warn', message: string) => void
}

const { invalidArgument, failedPrecondition, notFound, unimplemented } = GrpcStatus
const REFUSED = new Set<number>([invalidArgument, failedPrecondition])
const UNKNOWN = new Set<number>([notFound, unimplemented])

/** What differs between the questions; every other status is asked again after back-off. */
const QUESTIONS = {
  endpoints: {
    path: '/io.linkerd.proxy.destination.Destination/Get',
    service: 'destination',
    isReissuedAtOnce: false,
    terminal: REFUSED,
  },
  profile: {
    path: '/io.linkerd.proxy.destination.Destination/GetProfile',
    service: 'destination',
    isReissuedAtOnce: true,
    terminal: REFUSED,
  },
  port: {
    path: '/io.linkerd.proxy.inbound.InboundServerPolicies/WatchPort',
    service: 'policy',
    isReissuedAtOnce: true,
    terminal: REFUSED,
  },
  policy: {
    path: '/io.linkerd.proxy.outbound.OutboundPolicies/Watch',
    service: 'policy',
    isReissuedAtOnce: true,
    terminal: new Set([...REFUSED, ...UNKNOWN]),
  },
} as const

type Listener = Pick<StreamWatchOptions, 'onMessage' | 'onTerminal' | 'onStream'>

export class ControlPlane implements Discovery {
  readonly #options: ControlPlaneOptions
  readonly #watches = new Set<Watch>()

  constructor(options: ControlPlaneOptions) {
    this.#options = options
  }

  watchProfile(address: string, onUpdate: (profile: Profile | undefined) => void): Watch {
    const question = `profile of ${address}`
    let isFirst = true
    return this.#watch('profile', question, this.#destination(address), {
      onMessage: (bytes) => {
        const profile = profileOf(decode(DestinationProfileTable, bytes))
        isFirst = false
        this.#complain(question, profile.problems)
        onUpdate(profile)
      },
      onTerminal: () => {
        if (isFirst) onUpdate(undefined)
      },
    })
  }

  watchOutboundPolicy(
    address: string,
    onUpdate: (policy: OutboundPolicy | undefined | { readonly kind: 'refused'; readonly reason: string }) => void,
  ): Watch {
    const question = `outbound policy of ${address}`
    let isFirst = true
    return this.#watch('policy', question, this.#trafficSpec(address), {
      onMessage: (bytes) => {
        const policy = outboundPolicyOf(decode(OutboundPolicyTable, bytes))
        isFirst = false
        if (policy.kind === 'invalid')
          this.#complain(question, [`${policy.reason}; requests fail until it is corrected`])
        onUpdate(policy)
      },
      onTerminal: ({ code, message }) => {
        if (!isFirst) return
        if (code === unimplemented)
          this.#complain(question, ['the control plane knows no outbound policies; traffic goes by profile only'])
        onUpdate(UNKNOWN.has(code) ? undefined : { kind: 'refused', reason: describeStatus(code, message) })
      },
    })
  }

  watchEndpoints(path: string, onUpdate: (update: EndpointUpdate) => void, onFailed: (reason: string) => void): Watch {
    const question = `endpoints of ${path}`
    // The first set that a stream tells is complete; only then changes of it mean something.
    let isComplete = false
    return this.#watch('endpoints', question, this.#destination(path), {
      onStream: () => {
        isComplete = false
      },
      onMessage: (bytes) => {
        const update = destinationUpdateOf(decode(UpdateTable, bytes))
        if ('problems' in update) this.#complain(question, update.problems)
        switch (update.kind) {
          case 'add':
            onUpdate({ kind: isComplete ? 'add' : 'reset', endpoints: update.endpoints })
            isComplete = true
            return
          case 'noEndpoints':
            onUpdate({ kind: 'reset', endpoints: [] })
            isComplete = true
            return
          case 'remove':
            if (isComplete) onUpdate({ kind: 'remove', addresses: update.keys })
            return
          case 'ignored':
            return
        }
      },
      onTerminal: ({ code, message }) => onFailed(describeStatus(code, message)),
    })
  }

  watchPort(port: number, onUpdate: (server: InboundServer) => void): Watch {
    const question = `inbound policy of port ${port}`
    const request = encode(PortSpecTable, { workload: this.#options.workload, port })
    return this.#watch('port', question, request, {
      onMessage: (bytes) => {
        const policy = inboundPolicyOf(decode(ServerTable, bytes))
        if (policy.kind === 'server') return onUpdate(policy)
        this.#complain(question, [`${policy.reason}; nobody is let in until it is corrected`])
        onUpdate(invalidServer(this.#options.detectTimeoutMs))
      },
      // The last policy, or the local default, stays.
      onTerminal: () => {},
    })
  }

  /** Keep-alive of both connections; call it every second or so with a monotonic time. */
  tick(nowMs: number): void {
    const { destination, policy } = this.#options
    destination.tick(nowMs)
    if (policy !== destination) policy.tick(nowMs)
  }

  /** Ends all watches, then both connections. */
  close(): void {
    for (const watch of [...this.#watches]) watch.close()
    this.#options.destination.close()
    this.#options.policy.close()
  }

  #watch(kind: keyof typeof QUESTIONS, question: string, request: Uint8Array, listener: Listener): Watch {
    const { limits, backoff, timers, random } = this.#options
    const { path, service, isReissuedAtOnce, terminal } = QUESTIONS[kind]
    const channel = this.#options[service]
    const stream = new StreamWatch({
      channel,
      path,
      request,
      limits: channel.target.isLoopback ? {} : limits,
      backoff: controlBackoff(backoff, channel.target),
      isReissuedAtOnce,
      terminal,
      timers,
      random,
      ...listener,
      onTerminal: (status: Status) => {
        this.#watches.delete(watch)
        // An address that is no service of the mesh is nothing to worry about.
        if (!UNKNOWN.has(status.code))
          this.#complain(question, [`${describeStatus(status.code, status.message)}; not asked again`])
        listener.onTerminal(status)
      },
      onFailure: (reason) =>
        this.#complain(question, [`${reason}; asked again after a while, what is known stays in force`]),
    })
    const watch: Watch = {
      close: () => {
        this.#watches.delete(watch)
        stream.close()
      },
    }
    this.#watches.add(watch)
    return watch
  }

  #destination(path: string): Uint8Array {
    return encode(GetDestinationTable, { path, contextToken: this.#options.contextToken })
  }

  /** `ip:port`, or `name:port` in ingress mode. */
  #trafficSpec(target: string): Uint8Array {
    const address = parseSocketAddress(target)
    return encode(TrafficSpecTable, {
      sourceWorkload: this.#options.workload,
      // All of weft.proto is understood: without this the control plane answers for what only Weft's proxies can do.
      weftExtensions: 1,
      target:
        address === undefined
          ? { case: 'authority', value: target }
          : { case: 'addr', value: tcpAddressToMessage(address) },
    })
  }

  #complain(question: string, problems: readonly string[]): void {
    for (const problem of problems) this.#options.log('warn', `${question}: ${problem}`)
  }
}
