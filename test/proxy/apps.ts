/** Applications and clients of the pair tests: they end with the test that started them. */
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import net, { type AddressInfo, type Server } from 'node:net'

export interface App {
  readonly port: number
  close(): void
}

async function started(server: Server, close: () => void): Promise<App> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, close }
}

export function startHttp1(listener: http.RequestListener): Promise<App & { readonly server: http.Server }> {
  const server = http.createServer(listener)
  return started(server, () => {
    server.close()
    server.closeAllConnections()
  }).then((app) => ({ ...app, server }))
}

export type StreamListener = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void

export function startHttp2(
  listener: StreamListener,
): Promise<App & { readonly sessions: Set<http2.ServerHttp2Session> }> {
  const server = http2.createServer()
  const sessions = new Set<http2.ServerHttp2Session>()
  server.on('session', (session) => {
    sessions.add(session)
    session.on('error', () => {})
    session.on('close', () => sessions.delete(session))
  })
  server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
    stream.on('error', () => {})
    listener(stream, headers)
  })
  return started(server, () => {
    server.close()
    for (const session of sessions) session.destroy()
  }).then((app) => ({ ...app, sessions }))
}

export function startTcp(listener: (socket: net.Socket) => void): Promise<App> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    listener(socket)
  })
  return started(server, () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
}

export async function connectHttp2(port: number): Promise<http2.ClientHttp2Session> {
  const session = http2.connect(`http://127.0.0.1:${port}`)
  session.on('error', () => {})
  await once(session, 'connect')
  return session
}

export async function connectTcp(port: number): Promise<net.Socket> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** Everything until the peer's FIN; the socket stays open for writing. */
export async function readToEnd(socket: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(socket, 'end')
  return Buffer.concat(chunks)
}

/** Waits for something that is about to become true; a test that waits in vain runs into its own timeout. */
export async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 2))
}
