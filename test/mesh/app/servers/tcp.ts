/** Without HTTP: a server that speaks first, as MySQL and SMTP do, and one whose own TLS the mesh must not touch. */
import { createServer, type Server, type Socket } from 'node:net'
import process from 'node:process'
import { createServer as createTlsServer } from 'node:tls'
import { TestPort } from '../grpc-echo.ts'

/** What the opaque server says before it was asked anything. */
export const GREETING = '5.7.0-weft ready\n'

/** Greets, echoes, and answers the client's FIN with a last line that holds how many bytes came. */
export function serveServerFirst(): Promise<() => Promise<void>> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let received = 0
    socket.on('error', () => {})
    socket.write(GREETING)
    socket.on('data', (chunk) => {
      received += chunk.length
      socket.write(chunk)
    })
    socket.on('end', () => socket.end(`\n${received} bytes\n`))
  })
  return listening(server, TestPort.serverFirst)
}

/** With the certificate in `TLS_CERT` and `TLS_KEY`; without them there is no TLS server. */
export function serveTls(): Promise<() => Promise<void>> {
  const { TLS_CERT: cert, TLS_KEY: key } = process.env
  if (cert === undefined || key === undefined) return Promise.resolve(() => Promise.resolve())
  const server = createTlsServer({ cert, key }, (socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk) => socket.write(chunk))
  })
  server.on('tlsClientError', () => {})
  return listening(server, TestPort.tls)
}

async function listening(server: Server, port: number): Promise<() => Promise<void>> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(port, '0.0.0.0', resolve))
  return () => {
    server.close()
    for (const socket of sockets) socket.end()
    return Promise.resolve()
  }
}
