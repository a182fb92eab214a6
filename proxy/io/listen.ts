/**
 * Starts a server on an address; what keeps it from there is said in one sentence. `isShared`: other processes of this proxy
 * listen there too, and the kernel spreads connections over them.
 */
import type { Server } from 'node:net'
import type { SocketAddress } from '../../api/ip.ts'

export async function listen(server: Server, { ip, port }: SocketAddress, isShared: boolean): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(`${ip}:${port} is in use by another program`)
          : new Error(`cannot listen on ${ip}:${port}: ${error.message}`),
      )
    })
    server.listen({ host: ip, port, reusePort: isShared }, resolve)
  })
}
