/**
 * One gRPC listener of the control plane.
 *
 * The messages are the library's, connection and calls our own: a proxy holds two connections and a stream for each thing
 * it knows, and with a general server each of them costs several kilobytes that say nothing.
 */
import { createServer, type Server as NetServer } from 'node:net'
import { formatSocketAddress, parseSocketAddress, type SocketAddress } from '../../api/ip.ts'
import { type Method, parseTimeout, ServerCall } from './call.ts'
import { GrpcError } from './error.ts'
import { Http2Connection } from './http2/connection.ts'
import { encodeFields, type Field } from './http2/hpack.ts'
import type { Http2Stream } from './http2/stream.ts'
import type { Methods } from './service.ts'
import { status } from './status.ts'

export interface GrpcListener {
  readonly address: SocketAddress
  /** Stops accepting, lets calls finish, and after `graceMs` breaks off the rest. */
  close(graceMs: number): Promise<void>
}

/** One proxy holds a stream per destination, backend and inbound port; more than this is no proxy. */
const MAX_STREAMS_PER_CONNECTION = 10_000
/** The largest request is a token with a certificate signing request. */
const MAX_REQUEST_BYTES = 262_144
/** Twice: what a client that does not know the bound sends more is answered, not cut off. */
const STREAM_WINDOW_BYTES = 2 * MAX_REQUEST_BYTES
// A proxy whose node vanished never closes its connection.
const KEEP_ALIVE_MS = { time: 60_000, timeout: 20_000 }
const TICK_MS = 1_000
/** All proxies come back at once after a restart; who finds no place tries again seconds later. The system may allow less. */
const BACKLOG = 8_192

/** @param option names the setting to change when the address cannot be used */
export async function listen(
  address: SocketAddress,
  option: string,
  addServices: (methods: Methods) => void,
): Promise<GrpcListener> {
  const methods: Methods = new Map()
  addServices(methods)
  const connections = new Set<Http2Connection>()
  const options = {
    onRequest: (stream: Http2Stream, fields: readonly Field[]) => onRequest(methods, stream, fields),
    onClosed: (connection: Http2Connection) => void connections.delete(connection),
    nowMs: () => performance.now(),
    maxStreams: MAX_STREAMS_PER_CONNECTION,
    streamWindowBytes: STREAM_WINDOW_BYTES,
    keepAliveMs: KEEP_ALIVE_MS,
  }
  const server = createServer((socket) => connections.add(new Http2Connection(socket, options)))
  const port = await bind(server, address, option)
  const ticking = setInterval(() => {
    for (const connection of [...connections]) connection.tick()
  }, TICK_MS).unref()
  const close = (graceMs: number) => {
    clearInterval(ticking)
    return closeServer(server, connections, graceMs)
  }
  return { address: { ...address, port }, close }
}

export function parseListenAddress(text: string, option: string): SocketAddress {
  const address = parseSocketAddress(text)
  if (address !== undefined) return address
  throw new ListenError(`${option}: "${text}" is not an address such as 127.0.0.1:8086 or [::1]:8086`)
}

export class ListenError extends Error {
  override readonly name = 'ListenError'
}

function onRequest(methods: ReadonlyMap<string, Method>, stream: Http2Stream, fields: readonly Field[]): void {
  const field = (name: string) => fields.find((each) => each[0] === name)?.[1]
  if (field(':method') !== 'POST') return refuse(stream, '405')
  if (!/^application\/grpc(?:[+;]|$)/.test(field('content-type') ?? '')) return refuse(stream, '415')
  const timeout = field('grpc-timeout')
  const timeoutMs = timeout === undefined ? undefined : parseTimeout(timeout)
  const path = field(':path')!
  const method = methods.get(path)
  const encoding = field('grpc-encoding') ?? ''
  const call = new ServerCall(stream, method ?? NO_METHOD, { maxRequestBytes: MAX_REQUEST_BYTES, timeoutMs, encoding })
  stream.receiver = call
  if (method === undefined) call.fail(new GrpcError(status.UNIMPLEMENTED, `there is no method ${path.slice(0, 300)}`))
  else if (timeout !== undefined && timeoutMs === undefined) {
    call.fail(new GrpcError(status.INTERNAL, `"${timeout.slice(0, 40)}" is not a grpc-timeout such as 500m or 10S`))
  }
}

/** Answers that are no gRPC, as its specification wants for what is none. */
function refuse(stream: Http2Stream, httpStatus: string): void {
  stream.respond(encodeFields([[':status', httpStatus]]))
  stream.end()
}

const NO_METHOD: Method = { decode: () => undefined, encode: () => new Uint8Array(0), serve: () => {} }

function bind(server: NetServer, address: SocketAddress, option: string): Promise<number> {
  const text = formatSocketAddress(address)
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(
        new ListenError(`cannot listen on ${text}: ${whyNot(cause)}; or give another address with ${option}`, {
          cause,
        }),
      )
    })
    // Exclusive: two processes on one port would share connections and disagree.
    server.listen({ host: address.ip, port: address.port, exclusive: true, backlog: BACKLOG }, () => {
      server.removeAllListeners('error')
      // Out of descriptors, say: who is connected stays so, and the next one is accepted when there is one.
      server.on('error', () => {})
      const bound = server.address()
      resolve(typeof bound === 'object' && bound !== null ? bound.port : address.port)
    })
  })
}

function whyNot({ message }: Error): string {
  if (message.includes('EADDRINUSE')) return 'another process uses this port; stop it'
  if (message.includes('EACCES')) return 'this user may not open it; use a port above 1023'
  if (message.includes('EADDRNOTAVAIL')) return 'no interface of this machine has the address'
  return message
}

function closeServer(server: NetServer, connections: ReadonlySet<Http2Connection>, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      for (const connection of [...connections]) connection.destroy()
    }, graceMs)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    for (const connection of connections) connection.drain()
  })
}
