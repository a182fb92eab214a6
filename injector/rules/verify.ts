/**
 * Proof that outbound connections are redirected: dial an address that nobody has, and see whether the connection
 * arrives at our own listener on the proxy's port, before the proxy takes it.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createConnection, createServer, type Server } from 'node:net'
import { formatSocketAddress, type SocketAddress } from '../../api/ip.ts'

export interface VerifyOptions {
  readonly connect: SocketAddress
  readonly listen: SocketAddress
  readonly timeoutMs: number
}

/** Tells our listener from whoever else might answer at the address. */
const TOKEN_BYTES = 16

/** What is wrong, in one phrase, or `undefined` when the redirect works. */
export async function verifyRedirect({ connect, listen, timeoutMs }: VerifyOptions): Promise<string | undefined> {
  const token = randomBytes(TOKEN_BYTES)
  const server = createServer((socket) => socket.on('error', () => {}).end(token))
  try {
    server.listen({ host: listen.ip, port: listen.port })
    await once(server, 'listening')
    const answer = await dial(connect, timeoutMs)
    if (answer.equals(token)) return undefined
    return `${formatSocketAddress(connect)} answered by itself, so connections leave the pod without the proxy`
  } catch (error) {
    return `a connection to ${formatSocketAddress(connect)} did not come back to ${formatSocketAddress(listen)} (${(error as Error).message})`
  } finally {
    close(server)
  }
}

async function dial({ ip, port }: SocketAddress, timeoutMs: number): Promise<Buffer> {
  const socket = createConnection({ host: ip, port, signal: AbortSignal.timeout(timeoutMs) })
  try {
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      bytes += chunk.length
      // A stranger may talk without end.
      if (bytes > TOKEN_BYTES) break
    }
    return Buffer.concat(chunks)
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw new Error(`nothing within ${timeoutMs} ms`, { cause: error })
    throw error
  } finally {
    socket.destroy()
  }
}

function close(server: Server): void {
  if (server.listening) server.close()
}
