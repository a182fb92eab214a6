/** What a server's proxy does with connections to one port. Plain data, in the terms of the policy API. */
import type { Cidr } from '../../../api/ip.ts'
import type { DefaultPolicy } from '../../../api/vocabulary.ts'

export interface InboundPolicy {
  /** The default that decides, since no Server resource does. */
  readonly defaultPolicy: DefaultPolicy
  readonly isOpaque: boolean
  readonly authorizations: readonly Authorization[]
  /** Paths that health checks may always ask for, exact and without query. */
  readonly probePaths: readonly string[]
  readonly probeNetworks: readonly Cidr[]
}

export interface Authorization {
  /** Who grants it, for metrics. */
  readonly name: string
  readonly networks: readonly Cidr[]
  /** `meshTls`: any identity of the mesh. */
  readonly clients: 'anyone' | 'meshTls'
}
