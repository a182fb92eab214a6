/**
 * Opens a TCP connection to one address within a deadline. The one place that dials, so that refusing loopback targets,
 * the socket options and the sentence of a failure are the same everywhere (`tls.ts` builds on it).
 */
import { connect, type Socket } from 'node:net'
import { isLoopback, parseIp } from '../../api/ip.ts'
import type { ConnectError } from './connector.ts'

export interface ConnectTcpOptions {
  /** An address in canonical text, never a name: names are resolved by `resolve.ts` or not at all. */
  readonly ip: string
  readonly port: number
  /** From the first SYN until the connection is usable; for TLS the handshake is within it. */
  readonly timeoutMs: number
  /** Idle time before the first keep-alive probe; absent sends none. */
  readonly keepAliveMs?: number | undefined
  /**
   * Loopback is refused unless allowed: a peer or the control plane must not make the proxy call what listens for the
   * pod alone (facts: interception). The proxy's own application and a control plane in the same pod are allowed.
   */
  readonly allowLoopback?: boolean | undefined
}

export interface ConnectTcpEvents {
  /** Listeners for 'error' and 'data' must be added during this call. */
  readonly onConnected: (socket: Socket) => void
  /** Called later, never during `connectTcp` itself. */
  readonly onFailed: (error: ConnectError) => void
}

/** An attempt under way; after `cancel` none of its callbacks is called. */
export interface Connecting {
  cancel(): void
}

export function connectTcp(options: ConnectTcpOptions & ConnectTcpEvents): Connecting {
  const { onConnected, onFailed } = options
  return dial('tcp', options, onFailed, (dialled) => {
    const socket = connect(socketOptions(options))
    socket.once('connect', () => {
      if (dialled.settle()) onConnected(socket)
    })
    return socket
  })
}

/** Options of `net.connect` and `tls.connect` that every connection of the proxy has. */
export function socketOptions({ ip, port, keepAliveMs }: ConnectTcpOptions) {
  return {
    host: ip,
    port,
    noDelay: true,
    // Half-closed connections are ordinary in opaque TCP; whoever reads the socket decides when to end it.
    allowHalfOpen: true,
    ...(keepAliveMs === undefined ? {} : { keepAlive: true, keepAliveInitialDelay: keepAliveMs }),
  }
}

/** One attempt: its socket, its deadline, and that exactly one outcome is told. */
export interface Dialled {
  /** The attempt succeeded: stops the deadline and takes the attempt's own listeners off; false when it is over already. */
  settle(): boolean
  fail(error: ConnectError): void
}

/** The frame of an attempt, shared by plain TCP and TLS; `open` makes the socket. */
export function dial(
  what: 'tcp' | 'tls',
  { ip, port, timeoutMs, allowLoopback }: ConnectTcpOptions,
  onFailed: (error: ConnectError) => void,
  open: (dialled: Dialled) => Socket,
): Connecting {
  const peer = ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
  const problem = targetProblem(ip, port, allowLoopback === true)
  if (problem !== undefined) {
    const refusal = setImmediate(() => onFailed({ kind: 'refused', message: `${peer}: ${problem}` }))
    return { cancel: () => clearImmediate(refusal) }
  }

  let socket: Socket | undefined
  let isSettled = false
  let deadline: NodeJS.Timeout | undefined
  const onError = (error: NodeJS.ErrnoException): void => dialled.fail(describe(what, peer, error))
  const onClose = (): void =>
    dialled.fail({
      kind: 'io',
      message: `${peer}: the peer closed the connection during ${what === 'tls' ? 'the TLS handshake' : 'connect'}`,
    })
  const stop = (): boolean => {
    if (isSettled) return false
    isSettled = true
    clearTimeout(deadline)
    socket?.off('close', onClose)
    return true
  }
  const dialled: Dialled = {
    settle() {
      if (!stop()) return false
      socket?.off('error', onError)
      return true
    },
    fail(error) {
      if (!stop()) return
      // The error listener stays: a destroyed socket may still report what was under way.
      socket?.destroy()
      onFailed(error)
    },
  }
  socket = open(dialled)
  socket.on('error', onError)
  socket.on('close', onClose)
  deadline = setTimeout(() => {
    const phase = socket?.connecting ? 'connect' : 'handshake'
    dialled.fail({ kind: 'timeout', message: `${peer}: ${phase} did not finish within ${timeoutMs} ms` })
  }, timeoutMs)
  return {
    cancel() {
      if (stop()) socket?.destroy()
    },
  }
}

function targetProblem(ip: string, port: number, allowLoopback: boolean): string | undefined {
  if (parseIp(ip) === undefined) return 'is not an IP address'
  if (!(Number.isInteger(port) && port > 0 && port <= 65_535)) return 'has no port between 1 and 65535'
  if (!allowLoopback && isLoopback(ip.replace(/^::ffff:(?=\d+\.)/, '')))
    return 'refused to connect to a loopback address on behalf of a peer'
  return undefined
}

const REASONS = new Map<string, ConnectError>([
  ['ECONNREFUSED', { kind: 'refused', message: 'connection refused, nothing listens there' }],
  ['ECONNRESET', { kind: 'io', message: 'the peer reset the connection' }],
  ['EPIPE', { kind: 'io', message: 'the peer closed the connection' }],
  ['EHOSTUNREACH', { kind: 'io', message: 'no route to the host' }],
  ['ENETUNREACH', { kind: 'io', message: 'no route to the network' }],
  ['ETIMEDOUT', { kind: 'timeout', message: 'the host does not answer' }],
  ['EADDRNOTAVAIL', { kind: 'io', message: 'no local port or address is left for it' }],
  ['EMFILE', { kind: 'io', message: 'the proxy has no file descriptor left (see ulimit -n)' }],
])

function describe(what: 'tcp' | 'tls', peer: string, error: NodeJS.ErrnoException): ConnectError {
  const reason = REASONS.get(error.code ?? '')
  if (reason !== undefined) return { kind: reason.kind, message: `${peer}: ${reason.message} (${error.code})` }
  const code = error.code === undefined ? '' : ` (${error.code})`
  return { kind: what === 'tls' ? 'tls' : 'io', message: `${peer}: ${tlsReason(error)}${code}` }
}

/** OpenSSL says much around its reason; Node keeps the reason alone in `reason`. */
function tlsReason(error: Error & { reason?: unknown }): string {
  return typeof error.reason === 'string' ? error.reason : error.message
}
