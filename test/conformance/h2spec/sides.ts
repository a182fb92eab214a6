/**
 * The doors that h2spec knocks at: where the two proxies are HTTP/2 servers, in clear text and behind TLS.
 *
 * TLS exists at two doors. The inbound proxy terminates mesh TLS for connections whose SNI is its own name; a client
 * certificate is asked for but not needed, so h2spec's own TLS gets in. h2spec dials the name it sends as SNI, therefore
 * the proxies are called `localhost` here. Connections of other proxies come to the inbound port itself, with a client
 * certificate and a transport header: that is a relay's part, with the connector that the outbound proxy uses. What an
 * application encrypts itself passes the outbound proxy, which has no key for it, as bytes: its door is tried with an
 * inbound proxy at the far end of the pair.
 */

import { once } from 'node:events'
import http2 from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import { createServer } from 'node:net'
import { Resumption } from '../../../proxy/io/resumption.ts'
import { SocketTransport } from '../../../proxy/io/socket-transport.ts'
import { splice } from '../../../proxy/io/splice.ts'
import { EndpointConnector } from '../../../proxy/outbound/endpoint-connector.ts'
import { plainEndpoint } from '../../../proxy/policy/endpoint.ts'
import { type Pair, startPair } from '../../proxy/pair.ts'
import type { H2specTarget } from './h2spec.ts'

/** Enough content that no case is skipped for want of it. */
const CONTENT = 'more than five bytes'
/** One case opens one stream more than this. */
const MAX_STREAMS = 100
const NAME = 'localhost'
const CLEAR = { host: '127.0.0.1', isTls: false } as const
const TLS = { host: NAME, isTls: true } as const

export interface Door extends H2specTarget {
  close(): void
}

export interface Side {
  readonly name: string
  open(): Promise<Door>
}

export const SIDES: readonly Side[] = [
  {
    name: 'outbound',
    open: () => withPair({ isMeshed: false }, async ({ pair }) => ({ ...CLEAR, port: pair.port })),
  },
  {
    name: 'outbound to a meshed endpoint',
    open: () => withPair({}, async ({ pair }) => ({ ...CLEAR, port: pair.port })),
  },
  {
    name: 'inbound',
    open: () => withPair({}, async ({ pair, origin }) => ({ ...CLEAR, port: await pair.openInbound(origin) })),
  },
  {
    name: 'inbound, TLS of h2spec without a client certificate',
    open: () => withPair({}, async ({ pair, origin }) => ({ ...TLS, port: await pair.openInbound(origin) })),
  },
  {
    name: 'inbound, mesh TLS of a relay with a client certificate and a transport header',
    open: () =>
      withPair({}, async ({ pair, origin, onClose }) => {
        const relay = await startRelay(pair, origin)
        onClose(() => relay.close())
        return { ...CLEAR, port: (relay.address() as AddressInfo).port }
      }),
  },
  {
    name: 'outbound, TLS that ends at an inbound proxy behind the pair',
    open: () =>
      withPair({}, async ({ pair, origin, onClose }) => {
        const before = await startPair({ appPorts: [await pair.openInbound(origin)] })
        onClose(() => before.close())
        return { ...TLS, port: before.port }
      }),
  },
]

interface Bed {
  readonly pair: Pair
  /** Port of the application. */
  readonly origin: number
  onClose(close: () => void): void
}

async function withPair(options: { isMeshed?: boolean }, open: (bed: Bed) => Promise<H2specTarget>): Promise<Door> {
  const origin = await startOrigin()
  const pair = await startPair({
    ...options,
    identity: NAME,
    appPorts: [origin.port],
    http2: { maxConcurrentStreams: MAX_STREAMS },
  })
  const closing = [() => pair.close(), () => origin.close()]
  const door = await open({ pair, origin: origin.port, onClose: (close) => void closing.unshift(close) })
  return {
    ...door,
    close() {
      for (const close of closing) close()
    },
  }
}

/** Every connection to it goes on to the inbound port as that of another proxy: for `appPort`, with HTTP/2 announced. */
async function startRelay(pair: Pair, appPort: number): Promise<Server> {
  const connector = new EndpointConnector(
    {
      ...plainEndpoint('127.0.0.1', appPort),
      identity: { name: NAME, serverName: NAME },
      opaqueTransportPort: pair.inboundPort,
    },
    false,
    { connectTimeoutMs: 1_000, keepAliveMs: undefined, userTimeoutMs: undefined, allowLoopback: true },
    { context: () => pair.context, resumption: new Resumption(Date.now) },
    { opened() {} } as never,
    () => {},
  )
  const relay = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
    socket.on('error', () => {})
    connector.connect(
      'http2',
      (upstream) => splice(new SocketTransport(socket), upstream, { onEnd() {} }),
      () => socket.destroy(),
    )
  })
  relay.listen(0, '127.0.0.1')
  await once(relay, 'listening')
  return relay
}

async function startOrigin(): Promise<{ port: number; close(): void }> {
  const server = http2.createServer()
  const sessions = new Set<http2.ServerHttp2Session>()
  server.on('session', (session) => {
    sessions.add(session)
    session.on('error', () => {})
    session.on('close', () => sessions.delete(session))
  })
  server.on('stream', (stream: http2.ServerHttp2Stream) => {
    stream.on('error', () => {})
    stream.resume()
    stream.on('end', () => {
      if (stream.destroyed) return
      stream.respond({ ':status': 200 })
      stream.end(CONTENT)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close()
      for (const session of sessions) session.destroy()
    },
  }
}
