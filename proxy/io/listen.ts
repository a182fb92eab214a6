/**
 * Starts a server on an address; what keeps it from there is said in one sentence. `isShared`: other processes of this proxy
 * listen there too, and the kernel spreads connections over them.
 */
import { BoundSocket, type Server } from 'node:net'
import type { SocketAddress } from '../../api/ip.ts'

export async function listen(server: Server, { ip, port }: SocketAddress, isShared: boolean): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => {
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(`${ip}:${port} is in use by another program`)
          : new Error(`cannot listen on ${ip}:${port}: ${error.message}`),
      )
    }
    server.once('error', fail)
    try {
      // Bound already: given a host, `listen` loads DNS code and compiles a pattern of IPv6 addresses, 8 ms of a start.
      server.listen(new BoundSocket({ host: ip, port, reusePort: isShared }), resolve)
    } catch (error) {
      fail(error as NodeJS.ErrnoException)
    }
  })
}
