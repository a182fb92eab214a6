/** The server that Autobahn asks: the `ws` package, which sends every message back as it came. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import type { App } from '../../proxy/apps.ts'

export async function startWebSocketEcho(): Promise<App> {
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    perMessageDeflate: true,
    // Autobahn cuts 4 MiB into 65,536 fragments, and 16 MiB is its largest message.
    maxFragments: 1 << 20,
    maxBufferedChunks: 1 << 20,
    maxPayload: 32 << 20,
  })
  server.on('connection', (socket) => {
    // Most cases break the protocol on purpose.
    socket.on('error', () => {})
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close()
      for (const socket of server.clients) socket.terminate()
    },
  }
}
