/** Connects to the application on one of the pod's own addresses: plain TCP, never to the proxy itself. */

import type { Transport } from '../http/transport.ts'
import { connectTcp } from '../io/connect.ts'
import type { ConnectError, Connector, Session } from '../io/connector.ts'
import { SocketTransport } from '../io/socket-transport.ts'
import type { TcpMetrics } from '../telemetry/tcp-metrics.ts'

export class AppConnector implements Connector {
  readonly #ip: string
  readonly #port: number
  readonly #timeoutMs: number
  readonly #metrics: TcpMetrics

  constructor(ip: string, port: number, timeoutMs: number, metrics: TcpMetrics) {
    this.#ip = ip
    this.#port = port
    this.#timeoutMs = timeoutMs
    this.#metrics = metrics
  }

  connect(
    _session: Session,
    onConnected: (transport: Transport) => void,
    onFailed: (error: ConnectError) => void,
  ): { cancel(): void } {
    return connectTcp({
      ip: this.#ip,
      port: this.#port,
      timeoutMs: this.#timeoutMs,
      // The original destination is where the client wanted to go, on this very pod.
      allowLoopback: true,
      onFailed,
      onConnected: (socket) => {
        const transport = new SocketTransport(socket)
        this.#metrics.opened(transport)
        onConnected(transport)
      },
    })
  }
}
