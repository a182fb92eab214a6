/** Connected sockets for tests of the transport over them. */
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { createAuthority } from '../../test/support/authority.ts'
import type { SocketTransport } from './socket-transport.ts'

/** Two connected sockets, half-open allowed; what the tests write to is `accepted`. */
export interface Ends {
  readonly client: net.Socket
  readonly accepted: net.Socket
  close(): void
}

export async function joined(isTls: boolean): Promise<Ends> {
  const options = { allowHalfOpen: true, noDelay: true }
  let server: net.Server
  if (isTls) {
    const { certificatePem, privateKeyPem } = await (await createAuthority()).issue('peer')
    server = createTlsServer({ ...options, cert: certificatePem, key: privateKeyPem })
  } else server = net.createServer(options)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const to = { port, host: '127.0.0.1', allowHalfOpen: true }
  const client = isTls ? connectTls({ ...to, rejectUnauthorized: false }) : net.connect(to)
  const [accepted] = (await once(server, isTls ? 'secureConnection' : 'connection')) as [net.Socket]
  return {
    client,
    accepted,
    close() {
      client.destroy()
      accepted.destroy()
      server.close()
    },
  }
}

export function write(transport: SocketTransport, bytes: Buffer): void {
  transport.ensure(bytes.length)
  bytes.copy(transport.buf, transport.at)
  transport.at += bytes.length
  transport.flushSoon()
}

export async function readAll(socket: net.Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.resume()
  await once(socket, 'end')
  return Buffer.concat(chunks)
}
