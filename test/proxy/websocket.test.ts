import { once } from 'node:events'
import { test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { startHttp1, until } from './apps.ts'
import { startPair } from './pair.ts'

for (const isMeshed of [false, true]) {
  test(`WebSocket through ${isMeshed ? 'a meshed' : 'an unmeshed'} pair`, async (t) => {
    const app = await startHttp1((_req, res) => void res.end('plain'))
    const server = new WebSocketServer({ server: app.server })
    server.on('connection', (socket) =>
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })),
    )
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    t.teardown(() => {
      server.close()
      pair.close()
      app.close()
    })

    const socket = new WebSocket(`ws://127.0.0.1:${pair.port}/chat`)
    await once(socket, 'open')
    for (const text of ['hello', '', 'x'.repeat(1_000_000)]) {
      socket.send(text)
      const [data] = (await once(socket, 'message')) as [Buffer]
      t.equal(String(data) === text, true, `${text.length} characters come back`)
    }
    const pongs = once(socket, 'pong')
    socket.ping()
    await pongs
    t.pass('ping and pong')

    const closed = once(socket, 'close')
    socket.close(1000, 'bye')
    t.same((await closed).map(String), ['1000', 'bye'], 'the closing handshake passes both ways')
    await until(() => pair.open().outboundConnections === 0)
    await until(() => server.clients.size === 0)
    await until(() => pair.open().inboundConnections <= 1)
  })
}
