/** The destination service: endpoints and profiles, streamed as they change. */

import {
  type Destination,
  type DestinationProfile,
  DestinationProfileSchema,
  type GetDestination,
  type Update,
} from '../../../api/gen/destination_pb.js'
import type { Kind } from '../../../api/resources/kinds.ts'
import { type Authority, parseAuthority, parseServiceName, type ServiceRef } from '../../cluster/authority.ts'
import { parseContextToken } from '../../cluster/caller.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import type { StreamingCall } from '../../grpc/call.ts'
import { type Encoded, encoded } from '../../grpc/encoded.ts'
import { GrpcError } from '../../grpc/error.ts'
import type { Handlers } from '../../grpc/service.ts'
import { status } from '../../grpc/status.ts'
import { Views } from '../../watch/views.ts'
import type { WatchStreams } from '../../watch/watch-stream.ts'
import { profileOf } from '../index/profile.ts'
import { endpointsForClient, type ServiceEndpoints, serviceEndpoints } from '../index/service-endpoints.ts'
import { isSameProfile, type Profile } from '../model/profile.ts'
import { endpointUpdates, type SentEndpoints } from './endpoint-updates.ts'
import { profileMessage } from './profile-message.ts'

type ProfileOutcome =
  | { readonly profile: Profile; readonly message: Encoded<DestinationProfile> }
  | { readonly error: GrpcError }

export class DestinationService {
  readonly #cluster: Cluster
  readonly #streams: WatchStreams
  readonly #onError: (error: unknown) => void
  readonly #endpoints: Views<ServiceEndpoints>
  readonly #profiles: Views<ProfileOutcome>

  constructor(cluster: Cluster, streams: WatchStreams, onError: (error: unknown) => void) {
    this.#cluster = cluster
    this.#endpoints = new Views((compute) => cluster.tracked(compute))
    this.#profiles = new Views((compute) => cluster.tracked(compute))
    this.#streams = streams
    this.#onError = onError
  }

  handlers(): Handlers<typeof Destination> {
    return { get: (call) => this.#get(call), getProfile: (call) => this.#getProfile(call) }
  }

  /** After a change of the cluster, of objects of these kinds. */
  refresh(changed: ReadonlySet<Kind>): void {
    this.#endpoints.refresh(changed)
    this.#profiles.refresh(changed)
  }

  #get(call: StreamingCall<GetDestination, Update>): void {
    const caller = parseContextToken(call.request.contextToken)
    let sent: SentEndpoints | undefined
    this.#streams.serve(call, {
      open: (onChange) => {
        const { ref, port } = this.#requireService(call.request.path)
        const key = `${ref.namespace}/${ref.name}/${ref.instance ?? ''}:${port}`
        return this.#endpoints.watch(key, (before) => serviceEndpoints(this.#cluster, ref, port, before), onChange)
      },
      step: (snapshot) => {
        const client = { nodeName: caller.nodeName, zone: this.#cluster.zoneOfNode(caller.nodeName) }
        const endpoints = endpointsForClient(snapshot, client)
        const messages = endpointUpdates(sent, snapshot, endpoints)
        sent = { exists: snapshot.exists, endpoints }
        return { messages }
      },
      onError: this.#onError,
    })
  }

  #getProfile(call: StreamingCall<GetDestination, DestinationProfile>): void {
    const { path, contextToken } = call.request
    const { namespace } = parseContextToken(contextToken)
    this.#streams.serve(call, {
      open: (onChange) => {
        const authority = requireAuthority(path)
        const key = `${namespace} ${authority.host} ${authority.port}`
        return this.#profiles.watch(key, (before) => this.#profile(authority, namespace, before), onChange)
      },
      step: (outcome) => ('error' in outcome ? { messages: [], end: outcome.error } : { messages: [outcome.message] }),
      onError: this.#onError,
    })
  }

  #profile(authority: Authority, clientNs: string, before: ProfileOutcome | undefined): ProfileOutcome {
    try {
      const profile = profileOf(this.#cluster, authority, clientNs)
      const isSame = before !== undefined && 'profile' in before && isSameProfile(before.profile, profile)
      return isSame ? before : { profile, message: encoded(DestinationProfileSchema, profileMessage(profile)) }
    } catch (error) {
      if (!(error instanceof GrpcError)) throw error
      return before !== undefined && 'error' in before ? before : { error }
    }
  }

  #requireService(path: string): { readonly ref: ServiceRef; readonly port: number } {
    const { host, isIp, port } = requireAuthority(path)
    const { clusterDomain } = this.#cluster.config
    const ref = isIp ? undefined : parseServiceName(host, clusterDomain)
    if (ref === undefined) {
      const example = `web.shop.svc.${clusterDomain}`
      throw new GrpcError(status.INVALID_ARGUMENT, `"${host}" is not the name of a service such as ${example}`)
    }
    const service = this.#cluster.get('Service', ref.namespace, ref.name)
    if (service === undefined) throw new GrpcError(status.NOT_FOUND, `there is no Service ${ref.namespace}/${ref.name}`)
    if (service.spec.type === 'ExternalName') {
      throw new GrpcError(
        status.INVALID_ARGUMENT,
        `Service ${ref.namespace}/${ref.name} is an ExternalName and has no endpoints`,
      )
    }
    return { ref, port }
  }
}

function requireAuthority(path: string): Authority {
  const authority = parseAuthority(path)
  if (authority !== undefined) return authority
  throw new GrpcError(status.INVALID_ARGUMENT, `"${path.slice(0, 300)}" is not host:port with a port from 1 to 65535`)
}
