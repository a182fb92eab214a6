/** One gRPC listener of the control plane. */
import { logVerbosity, Server, ServerCredentials, setLogVerbosity } from '@grpc/grpc-js'
import { formatSocketAddress, parseSocketAddress, type SocketAddress } from '../../api/ip.ts'

export interface GrpcListener {
  readonly address: SocketAddress
  /** Stops accepting, lets calls finish, and after `graceMs` breaks off the rest. */
  close(graceMs: number): Promise<void>
}

/** One proxy holds a stream per destination, backend and inbound port; more than this is no proxy. */
const MAX_STREAMS_PER_CONNECTION = 10_000
/** The largest request is a token with a certificate signing request. */
const MAX_REQUEST_BYTES = 262_144
// A proxy whose node vanished never closes its connection.
const KEEP_ALIVE_MS = { time: 60_000, timeout: 20_000 }

// The library writes plain lines to standard error, where JSON is expected; its errors are reported by who called it.
setLogVerbosity(logVerbosity.NONE)

/** @param option names the setting to change when the address cannot be used */
export async function listen(
  address: SocketAddress,
  option: string,
  addServices: (server: Server) => void,
): Promise<GrpcListener> {
  const server = new Server({
    'grpc.max_concurrent_streams': MAX_STREAMS_PER_CONNECTION,
    'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
    // Its books of every connection and stream are for a service that is not served here.
    'grpc.enable_channelz': 0,
    'grpc.keepalive_time_ms': KEEP_ALIVE_MS.time,
    'grpc.keepalive_timeout_ms': KEEP_ALIVE_MS.timeout,
    // Two processes on one port would share connections and disagree.
    'grpc.so_reuseport': 0,
  })
  addServices(server)
  const port = await bind(server, address, option)
  return { address: { ...address, port }, close: (graceMs) => close(server, graceMs) }
}

export function parseListenAddress(text: string, option: string): SocketAddress {
  const address = parseSocketAddress(text)
  if (address !== undefined) return address
  throw new ListenError(`${option}: "${text}" is not an address such as 127.0.0.1:8086 or [::1]:8086`)
}

export class ListenError extends Error {
  override readonly name = 'ListenError'
}

function bind(server: Server, address: SocketAddress, option: string): Promise<number> {
  const text = formatSocketAddress(address)
  return new Promise((resolve, reject) => {
    server.bindAsync(text, ServerCredentials.createInsecure(), (cause, port) => {
      if (cause === null) return resolve(port)
      reject(
        new ListenError(`cannot listen on ${text}: ${whyNot(cause)}; or give another address with ${option}`, {
          cause,
        }),
      )
    })
  })
}

function whyNot({ message }: Error): string {
  if (message.includes('EADDRINUSE')) return 'another process uses this port; stop it'
  if (message.includes('EACCES')) return 'this user may not open it; use a port above 1023'
  if (message.includes('EADDRNOTAVAIL')) return 'no interface of this machine has the address'
  return message
}

function close(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      server.forceShutdown()
      resolve()
    }, graceMs)
    server.tryShutdown(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
