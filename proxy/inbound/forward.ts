/**
 * Raw bytes to the application: authorised once when the connection comes, and again whenever the policy of its port
 * changes, since there is no next request that could be refused. A port whose policy is about HTTP takes none.
 */
import type { Socket } from 'node:net'
import type { ConnectError, Connector } from '../io/connector.ts'
import type { OpenRaw } from '../io/early-dial.ts'
import { SocketTransport } from '../io/socket-transport.ts'
import { splice } from '../io/splice.ts'
import { type Authorization, authorize } from '../policy/authorization.ts'
import { type InboundServer, isHttpOnly } from '../policy/inbound-policy.ts'
import { describeMeta } from '../policy/meta.ts'
import type { Logger } from '../telemetry/log.ts'
import { type Accepted, type Address, clientAddrOf, clientOf, type TlsState } from './connection.ts'
import type { Recheckable } from './port-policies.ts'

export interface ForwardTelemetry {
  accepted(transport: SocketTransport, target: Address, tls: TlsState, server: InboundServer): void
  tcpAllowed(
    target: Address,
    tls: TlsState,
    server: InboundServer,
    authorization: Authorization,
    clientAddr: string,
  ): void
  tcpDenied(target: Address, tls: TlsState, server: InboundServer): void
  tcpTerminated(target: Address, tls: TlsState, server: InboundServer): void
  tcpError(target: Address, error: string): void
}

export interface ForwardDeps {
  /** Connections to the application on one of the pod's own addresses. */
  readonly appConnector: (ip: string, port: number) => Connector
  readonly telemetry: ForwardTelemetry
  readonly log: Logger
}

export function forward(socket: Socket, accepted: Accepted, { appConnector, telemetry, log }: ForwardDeps): void {
  const { target, policy, state } = accepted
  const client = clientOf(accepted)
  const { server } = policy
  const authorization = authorize(server.authorizations, client)
  if (authorization === undefined) {
    telemetry.tcpDenied(target, state, server)
    log.info(
      `inbound ${target.ip}:${target.port}: ${describeMeta(server.meta)} allows no connection from ${socket.remoteAddress}`,
    )
    socket.destroy()
    return
  }
  telemetry.tcpAllowed(target, state, server, authorization, clientAddrOf(socket))
  socket.pause()
  const transport = new SocketTransport(socket)
  transport.pause()
  telemetry.accepted(transport, target, state, server)
  const recheckable: Recheckable = {
    recheck: (updated) => {
      const isAllowed = authorize(updated.authorizations, client) !== undefined
      if (isAllowed && !isHttpOnly(updated)) return
      telemetry.tcpTerminated(target, state, updated)
      const what = isAllowed ? 'an open connection of raw bytes' : 'an open connection'
      log.info(
        `inbound ${target.ip}:${target.port}: ${describeMeta(updated.meta)} no longer allows ${what} from ${socket.remoteAddress}; it was closed`,
      )
      socket.destroy()
    },
  }
  policy.connections.add(recheckable)
  socket.once('close', () => policy.connections.delete(recheckable))
  let isOpen = false
  const connecting = wayTo(accepted, appConnector)(
    (upstream, greeting) => {
      isOpen = true
      splice(transport, upstream, { onEnd: () => {} })
      upstream.resume()
      if (greeting !== undefined) upstream.handler.onBytes(greeting, 0, greeting.length)
      transport.resume()
    },
    (error) => {
      log.info(`inbound ${target.ip}:${target.port}: ${error.message}`)
      telemetry.tcpError(target, 'i/o')
      transport.destroy()
    },
  )
  if (!isOpen) transport.handler = { onBytes() {}, onEnd() {}, onDrain() {}, onClose: () => connecting.cancel() }
}

/** The connection that was opened early, or a new one. */
function wayTo({ early, target }: Accepted, appConnector: ForwardDeps['appConnector']): OpenRaw<ConnectError> {
  if (early?.isUsable) return (onOpen, onFailed) => early.take(onOpen, onFailed)
  early?.drop()
  return openApp(target, appConnector)
}

/** Raw bytes to the application. */
export function openApp({ ip, port }: Address, appConnector: ForwardDeps['appConnector']): OpenRaw<ConnectError> {
  return (onOpen, onFailed) =>
    appConnector(ip, port).connect('opaque', (upstream) => onOpen(upstream, undefined), onFailed)
}
