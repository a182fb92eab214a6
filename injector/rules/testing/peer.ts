/**
 * A process of the tests inside one network namespace: it listens where it is told, tells every client who answered
 * and where the client had dialled, and dials on request.
 *
 * Arguments: a JSON `PeerOptions`. Standard input: one `{ host, port }` per line; standard output: `ready`, then one
 * line per request, either what the listener said or the error code.
 */
import { createConnection, createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { formatSocketAddress } from '../../../api/ip.ts'
import { originalDestination } from '../../../proxy/io/original-destination.ts'

export interface PeerOptions {
  readonly listeners: readonly { readonly name: string; readonly host: string; readonly port: number }[]
  /** The user to dial as; the listeners are opened before the change. */
  readonly uid?: number
}

const DIAL_TIMEOUT_MS = 2_000

const { listeners, uid } = JSON.parse(process.argv[2]!) as PeerOptions

await Promise.all(
  listeners.map(
    ({ name, host, port }) =>
      new Promise<void>((resolve) => {
        const server = createServer((socket) => socket.on('error', () => {}).end(`${name} ${dialled(socket)}`))
        // Without the v6 wildcard taking IPv4 as well, one listener could not serve both.
        server.listen({ host, port, ipv6Only: host === '::1' }, resolve)
      }),
  ),
)
if (uid !== undefined) {
  process.setgid!(uid)
  process.setuid!(uid)
}
process.stdout.write('ready\n')
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${await dial(JSON.parse(line) as { host: string; port: number })}\n`)
}
process.exit(0)

function dialled(socket: Socket): string {
  // `_handle` is Node's own and undocumented, but the only way to a socket's descriptor.
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle
  const original = originalDestination(fd)
  return original === undefined ? 'untracked' : formatSocketAddress(original)
}

function dial(target: { host: string; port: number }): Promise<string> {
  return new Promise((resolve) => {
    let answer = ''
    const socket = createConnection({ ...target, timeout: DIAL_TIMEOUT_MS })
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('timeout', () => socket.destroy(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' })))
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.on('end', () => resolve(answer))
  })
}
