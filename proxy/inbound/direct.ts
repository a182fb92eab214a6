/**
 * Direct connections: other proxies dial the inbound port itself, with mesh TLS, and say in a transport header which port
 * and protocol follow. Without a client identity, or for anything but a port of this pod, they are refused.
 */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { TlsAcceptor } from '../io/handshake-gate.ts'
import { sniff } from '../io/sniff.ts'
import type { ClientTls } from '../policy/authorization.ts'
import { isHttpOnly } from '../policy/inbound-policy.ts'
import { type Ip, ipText } from '../policy/network.ts'
import type { Logger } from '../telemetry/log.ts'
import type { Refusal } from '../wire/refusal.ts'
import { parseTransportHeader, type TransportHeader } from '../wire/transport-header.ts'
import type { Accepted, Address } from './connection.ts'
import type { PortPolicies } from './port-policies.ts'

export interface DirectConfig {
  /** The inbound port. */
  readonly port: number
  readonly detectTimeoutMs: number
}

export interface DirectTelemetry {
  transportHeader(session: 'http/1' | 'http/2' | '', port: number, clientId: string): void
  tcpError(target: Address, error: string): void
  /** Something a peer sent was refused; `isFirst` on its connection. */
  refused(reason: Refusal, where: () => string, message: string, isFirst: boolean): void
}

export interface DirectDeps {
  readonly policies: PortPolicies
  readonly directTls: TlsAcceptor
  readonly telemetry: DirectTelemetry
  readonly log: Logger
}

/** What becomes of a connection. */
export interface DirectSink {
  forward(socket: Socket, accepted: Accepted): void
  /** By the protocol of the port's policy. */
  serve(socket: Socket, accepted: Accepted): void
  serveHttp(socket: Socket, accepted: Accepted, isHttp2: boolean): void
  refuseTls(original: Address, remoteIp: Ip, error: Error): void
}

type MeshClient = Extract<ClientTls, { kind: 'meshTls' }>
type Parsed = { readonly header: TransportHeader; readonly consumed: number } | { readonly problem: string }

export class DirectConnections {
  readonly #config: DirectConfig
  readonly #deps: DirectDeps
  readonly #sink: DirectSink

  constructor(config: DirectConfig, deps: DirectDeps, sink: DirectSink) {
    this.#config = config
    this.#deps = deps
    this.#sink = sink
  }

  accept(socket: Socket, original: Address, remoteIp: Ip): void {
    this.#deps.directTls.accept(
      socket,
      undefined,
      (tlsSocket, client) => {
        if (client.kind !== 'meshTls') {
          tlsSocket.on('error', () => {})
          return this.#refuse(tlsSocket, original, remoteIp, 'a client without identity was refused')
        }
        this.#readHeader(tlsSocket, original, remoteIp, client)
      },
      (error) => this.#sink.refuseTls(original, remoteIp, error),
    )
  }

  #readHeader(socket: TLSSocket, original: Address, remoteIp: Ip, client: MeshClient): void {
    socket.on('error', () => {})
    sniff<Parsed>(socket, this.#config.detectTimeoutMs, parse, ({ outcome }) => {
      switch (outcome.kind) {
        case 'timeout':
          return this.#refuse(socket, original, remoteIp, 'no transport header in time')
        case 'ended':
          return this.#refuse(socket, original, remoteIp, 'closed before its transport header')
        case 'decided':
      }
      const parsed = outcome.value
      if ('problem' in parsed) return this.#refuse(socket, original, remoteIp, parsed.problem)
      const { header, consumed } = parsed
      const refused = this.#refusal(header)
      if (refused !== undefined) return this.#refuse(socket, original, remoteIp, refused)
      // The header is ours; what follows belongs to the target.
      socket.read(consumed)
      this.#serve(socket, header, original, remoteIp, client)
    })
  }

  #refusal({ name, port }: TransportHeader): string | undefined {
    if (name !== undefined && name !== '') return `the gateway target ${name} is refused: this proxy is no gateway`
    return port === this.#config.port ? 'the transport header names the proxy itself' : undefined
  }

  #serve(socket: TLSSocket, header: TransportHeader, original: Address, remoteIp: Ip, client: MeshClient): void {
    const { policies, telemetry } = this.#deps
    const { port, sessionProtocol: session } = header
    const policy = policies.acquire(port)
    socket.once('close', () => policies.release(policy))
    telemetry.transportHeader(
      session === 'http1' ? 'http/1' : session === 'http2' ? 'http/2' : '',
      port,
      client.identity,
    )
    const accepted: Accepted = {
      target: { ip: original.ip, port },
      remoteIp,
      policy,
      tls: client,
      state: { kind: 'mesh', identity: client.identity },
      early: undefined,
    }
    const { protocol } = policy.server
    if (protocol.kind === 'opaque' || protocol.kind === 'tls') return this.#sink.forward(socket, accepted)
    if (session === undefined) {
      // The client's proxy took it for raw bytes. Where only HTTP may pass that is looked at again.
      return isHttpOnly(policy.server) ? this.#sink.serve(socket, accepted) : this.#sink.forward(socket, accepted)
    }
    this.#sink.serveHttp(socket, accepted, session === 'http2')
  }

  #refuse(socket: TLSSocket, original: Address, remoteIp: Ip, problem: string): void {
    const where = (): string => `${original.ip}:${original.port} from ${ipText(remoteIp)}`
    this.#deps.telemetry.refused('transport_header', where, problem, true)
    this.#deps.telemetry.tcpError(original, 'unexpected')
    socket.destroy()
  }
}

function parse(buf: Buffer): Parsed | undefined {
  try {
    return parseTransportHeader(buf, 0, buf.length)
  } catch (error) {
    return { problem: (error as Error).message }
  }
}
