/** The client's connections: plain, or with mesh TLS of its own, counting what was resumed. */
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { type ConnectionOptions, createSecureContext, type SecureContext, connect as tlsConnect } from 'node:tls'
import { encodeTransportHeader, TRANSPORT_ALPN } from '../../proxy/wire/transport-header.ts'
import type { ClientTls, LoadOptions } from './load.ts'

/** A server gives two tickets per handshake; more than these would only be older. */
const MAX_SESSIONS = 256
/** A client of a thousand connections opens them one after the other, not in one instant. */
const MAX_CONNECTING = 32

export class Dialer {
  handshakes = 0
  resumed = 0
  readonly #options: LoadOptions
  readonly #context: SecureContext | undefined
  readonly #sessions: Buffer[] = []
  #openNext: () => void = () => {}

  constructor(options: LoadOptions) {
    this.#options = options
    this.#context = options.tls === undefined ? undefined : contextOf(options.tls)
  }

  /** Calls `open`, which dials once, `count` times: some at once, the others as those are connected. */
  openEach<Connection>(count: number, open: () => Connection): readonly Connection[] {
    const opened: Connection[] = []
    this.#openNext = () => {
      if (opened.length < count) opened.push(open())
    }
    for (let i = 0; i < Math.min(count, MAX_CONNECTING); i++) this.#openNext()
    return opened
  }

  /** `onConnected` is called when the connection can be written to. */
  dial(onConnected: () => void): Socket {
    const { host, port, tls } = this.#options
    if (tls === undefined || this.#context === undefined) {
      return connect({ host, port, noDelay: true }).once('connect', () => {
        onConnected()
        this.#openNext()
      })
    }
    // A ticket is for one connection (RFC 8446 §C.4); the last one is used again rather than none.
    const session = this.#sessions.length > 1 ? this.#sessions.pop() : this.#sessions[0]
    const options: ConnectionOptions & { readonly noDelay: boolean } = {
      host,
      port,
      noDelay: true,
      secureContext: this.#context,
      servername: tls.serverName,
      ...(tls.resumes && session !== undefined ? { session } : {}),
      ...(tls.headerPort === undefined ? {} : { ALPNProtocols: [TRANSPORT_ALPN] }),
    }
    const socket = tlsConnect(options)
    if (tls.resumes) {
      socket.on('session', (ticket: Buffer) => {
        if (this.#sessions.length < MAX_SESSIONS) this.#sessions.push(ticket)
      })
    }
    return socket.once('secureConnect', () => {
      this.handshakes++
      if (socket.isSessionReused()) this.resumed++
      if (tls.headerPort !== undefined) socket.write(encodeTransportHeader({ port: tls.headerPort }))
      onConnected()
      this.#openNext()
    })
  }
}

function contextOf({ certFile, caFile }: ClientTls): SecureContext {
  const pem = readFileSync(certFile)
  return createSecureContext({ key: pem, cert: pem, ca: readFileSync(caFile), minVersion: 'TLSv1.3' })
}
