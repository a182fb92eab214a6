/** The two policy services: what to do with traffic on the client's side and on the server's. */
import { hash } from 'node:crypto'
import { type InboundServerPolicies, type PortSpec, type Server, ServerSchema } from '../../../api/gen/inbound_pb.js'
import {
  type OutboundPolicies,
  type OutboundPolicy,
  OutboundPolicySchema,
  type TrafficSpec,
} from '../../../api/gen/outbound_pb.js'
import { formatSocketAddress, tcpAddressFromMessage } from '../../../api/ip.ts'
import type { Kind } from '../../../api/resources/kinds.ts'
import { parseAuthority } from '../../cluster/authority.ts'
import { parseWorkload, type WorkloadRef } from '../../cluster/caller.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import type { StreamingCall } from '../../grpc/call.ts'
import { type Encoded, encoded } from '../../grpc/encoded.ts'
import { GrpcError, unary } from '../../grpc/error.ts'
import type { Handlers } from '../../grpc/service.ts'
import { status } from '../../grpc/status.ts'
import { Views } from '../../watch/views.ts'
import type { WatchStreams } from '../../watch/watch-stream.ts'
import type { Holder, Holders } from '../holders.ts'
import { inboundPolicyOf } from '../index/inbound.ts'
import { outboundPolicyAt, outboundPolicyOf } from '../index/outbound.ts'
import { inboundMessage } from './inbound-message.ts'
import { outboundMessage } from './outbound-message.ts'

export interface PolicyReports {
  onError(error: unknown): void
  /** A policy, or part of one, that is not enforced as its author wrote it. */
  onProblem(problem: string): void
}

/** Equal policies are not sent twice. */
type Outcome<M> = { readonly policy: object; readonly message: Encoded<M> } | { readonly error: GrpcError }
type Compute<M> = () => {
  readonly policy: object
  readonly problems: readonly string[]
  readonly message: () => Encoded<M>
}

interface Target<M> {
  readonly key: string
  readonly compute: Compute<M>
}

/** So many problems are remembered as told, before they are told again. */
const MAX_TOLD_PROBLEMS = 1_000

export class PolicyService {
  readonly #cluster: Cluster
  readonly #streams: WatchStreams
  readonly #holders: Holders
  readonly #reports: PolicyReports
  readonly #inbound: Views<Outcome<Server>>
  readonly #outbound: Views<Outcome<OutboundPolicy>>
  readonly #told = new Set<string>()

  constructor(cluster: Cluster, streams: WatchStreams, holders: Holders, reports: PolicyReports) {
    this.#cluster = cluster
    this.#inbound = new Views((compute) => cluster.tracked(compute))
    this.#outbound = new Views((compute) => cluster.tracked(compute))
    this.#streams = streams
    this.#holders = holders
    this.#reports = reports
  }

  inboundHandlers(): Handlers<typeof InboundServerPolicies> {
    return {
      getPort: unary((request) => this.#inboundTarget(request).compute().message(), this.#reports.onError),
      watchPort: (call) =>
        this.#serve(call, this.#inbound, call.request.workload, () => this.#inboundTarget(call.request)),
    }
  }

  outboundHandlers(): Handlers<typeof OutboundPolicies> {
    return {
      get: unary((request) => this.#outboundTarget(request).compute().message(), this.#reports.onError),
      watch: (call) =>
        this.#serve(call, this.#outbound, call.request.sourceWorkload, () => this.#outboundTarget(call.request)),
    }
  }

  /** After a change of the cluster, of objects of these kinds. */
  refresh(changed: ReadonlySet<Kind>): void {
    this.#inbound.refresh(changed)
    this.#outbound.refresh(changed)
  }

  #inboundTarget({ workload, port }: PortSpec): Target<Server> {
    const ref = requireWorkload(workload)
    requirePort(port)
    return {
      key: `${ref.kind} ${ref.namespace}/${ref.name}:${port}`,
      compute: () => {
        const { policy, problems } = inboundPolicyOf(this.#cluster, ref, port)
        return { policy, problems, message: () => encoded(ServerSchema, inboundMessage(policy)) }
      },
    }
  }

  #outboundTarget({ sourceWorkload, target, weftExtensions }: TrafficSpec): Target<OutboundPolicy> {
    const { namespace } = requireWorkload(sourceWorkload)
    const { key, find } = this.#outboundLookup(namespace, target)
    const hasExtensions = weftExtensions > 0
    return {
      key: `${namespace} ${hasExtensions ? 'weft' : 'linkerd'} ${key}`,
      compute: () => {
        const { policy, problems } = find()
        const { clusterDomain } = this.#cluster.config
        const message = () => encoded(OutboundPolicySchema, outboundMessage(policy, { clusterDomain, hasExtensions }))
        return { policy, problems, message }
      },
    }
  }

  #outboundLookup(namespace: string, target: TrafficSpec['target']) {
    switch (target.case) {
      case 'addr': {
        requirePort(target.value.port)
        const address = tcpAddressFromMessage(target.value)
        if (address === undefined) throw new GrpcError(status.INVALID_ARGUMENT, 'the target address has no IP')
        return { key: formatSocketAddress(address), find: () => outboundPolicyAt(this.#cluster, namespace, address) }
      }
      case 'authority': {
        const authority = parseAuthority(target.value)
        if (authority === undefined) {
          throw new GrpcError(status.INVALID_ARGUMENT, `"${target.value.slice(0, 300)}" is not host:port`)
        }
        const { host, port } = authority
        return { key: `name ${host}:${port}`, find: () => outboundPolicyOf(this.#cluster, namespace, authority) }
      }
      case undefined:
        throw new GrpcError(status.INVALID_ARGUMENT, 'the target is missing')
    }
  }

  #serve<M>(
    call: StreamingCall<unknown, M>,
    views: Views<Outcome<M>>,
    workload: string,
    targetOf: () => Target<M>,
  ): void {
    let hasSent = false
    let holder: Holder | undefined
    this.#streams.serve<Outcome<M>, M>(call, {
      open: (onChange) => {
        const { key, compute } = targetOf()
        const watch = views.watch(key, (before) => this.#outcome(compute, before), onChange)
        const { namespace } = requireWorkload(workload)
        holder = this.#holders.open(workload, namespace, () => policyOf(watch.current()))
        return watch
      },
      step: (outcome) => {
        if ('message' in outcome) {
          hasSent = true
          return { messages: [outcome.message] }
        }
        // What was known and is gone ends with OK: an error status would freeze the client on its last policy.
        return { messages: [], end: hasSent ? 'ok' : outcome.error }
      },
      onSent: (outcome) => {
        const policy = policyOf(outcome)
        if (policy !== undefined) holder?.sent(policy)
      },
      onClosed: () => holder?.close(),
      onError: this.#reports.onError,
    })
  }

  #outcome<M>(compute: Compute<M>, before: Outcome<M> | undefined): Outcome<M> {
    try {
      const { policy, problems, message } = compute()
      this.#tell(problems)
      const isSame = before !== undefined && 'policy' in before && isEqual(before.policy, policy)
      return isSame ? before : { policy, message: message() }
    } catch (error) {
      if (!(error instanceof GrpcError)) throw error
      return before !== undefined && 'error' in before ? before : { error }
    }
  }

  #tell(problems: readonly string[]): void {
    for (const problem of problems) {
      if (this.#told.has(problem)) continue
      if (this.#told.size >= MAX_TOLD_PROBLEMS) this.#told.clear()
      this.#told.add(problem)
      this.#reports.onProblem(problem)
    }
  }
}

function policyOf<M>(outcome: Outcome<M>): object | undefined {
  return 'policy' in outcome ? outcome.policy : undefined
}

/** What policies say, made once for all views that share one. A digest: the text would be as large as the policy. */
const DIGESTS = new WeakMap<object, string>()

function isEqual(a: object, b: object): boolean {
  return a === b || digestOf(a) === digestOf(b)
}

function digestOf(policy: object): string {
  let digest = DIGESTS.get(policy)
  if (digest === undefined) {
    digest = hash('sha256', JSON.stringify(policy), 'base64')
    DIGESTS.set(policy, digest)
  }
  return digest
}

function requireWorkload(text: string): WorkloadRef {
  const workload = parseWorkload(text)
  if (workload !== undefined) return workload
  throw new GrpcError(
    status.INVALID_ARGUMENT,
    `"${text.slice(0, 300)}" is not a workload such as {"ns":"shop","pod":"web-1"}; check LINKERD2_PROXY_POLICY_WORKLOAD`,
  )
}

function requirePort(port: number): void {
  if (port < 1 || port > 65_535) throw new GrpcError(status.INVALID_ARGUMENT, `${port} is not a port from 1 to 65535`)
}
