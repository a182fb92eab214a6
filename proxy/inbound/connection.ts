/** One accepted connection on its way to being served: where it goes, from whom it comes, what policy holds. */
import type { Socket } from 'node:net'
import type { ConnectError } from '../io/connector.ts'
import type { EarlyDial } from '../io/early-dial.ts'
import type { Client, ClientTls } from '../policy/authorization.ts'
import type { Ip } from '../policy/network.ts'
import type { PortPolicy } from './port-policies.ts'

export interface Address {
  readonly ip: string
  readonly port: number
}

/** What a connection looked like on the outside, for counters. */
export type TlsState =
  | { readonly kind: 'mesh'; readonly identity: string | undefined }
  | { readonly kind: 'none'; readonly reason: 'no_tls_from_remote' | 'loopback' | 'port_skipped' }
  | { readonly kind: 'opaque'; readonly sni: string }

export interface Accepted {
  readonly target: Address
  readonly remoteIp: Ip
  readonly policy: PortPolicy
  tls: ClientTls
  state: TlsState
  /** To the application, while the client is silent. */
  early: EarlyDial<ConnectError> | undefined
}

/** `ip:port` of the client, for logs. */
export function clientAddrOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress}:${remotePort}`
}

export function clientOf({ remoteIp, tls }: Accepted): Client {
  return { ip: remoteIp, tls }
}
