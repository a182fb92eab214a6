/** What RFC 9110 asks of whoever forwards HTTP/1 messages: with and without the HTTP/2 hop of the mesh. */
import { once } from 'node:events'
import { test } from 'tap'
import { connectTcp, readToEnd, startTcp, until } from './apps.ts'
import { startPair } from './pair.ts'
import { ask, fieldLines, startRaw } from './raw-http1.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const LARGE_BYTES = 3_000_000

for (const isMeshed of [false, true]) {
  const name = isMeshed ? 'meshed' : 'unmeshed'

  test(`nothing of a request is forwarded before its head is whole, ${name}`, async (t) => {
    const app = await startRaw(() => OK)
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    t.teardown(() => {
      pair.close()
      app.close()
    })
    const cut = await connectTcp(pair.port)
    cut.write('POST /cut HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nX-Own: 1\r\n')
    t.match(await ask(pair.port, 'GET /whole HTTP/1.1\r\nHost: a\r\n\r\n', (text) => text.endsWith('ok')), /200 OK/)
    cut.destroy()
    await until(() => pair.open().outboundConnections === 0)
    t.match(app.received.join(''), /^GET \/whole /)
    t.notMatch(app.received.join(''), /cut/)
  })

  test(`100 comes before 101, ${name}`, async (t) => {
    const app = await startRaw(
      () =>
        'HTTP/1.1 100 Continue\r\n\r\n' +
        'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\nhello',
    )
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    t.teardown(() => {
      pair.close()
      app.close()
    })
    const reply = await ask(
      pair.port,
      'POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: other\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n',
      (text) => text.endsWith('hello'),
    )
    t.match(reply, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 101 Switching Protocols\r\n/)
  })

  test(`the host is forwarded as it was written, ${name}`, async (t) => {
    const app = await startRaw(() => OK)
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    t.teardown(() => {
      pair.close()
      app.close()
    })
    for (const host of ['web', 'WeB.Shop', 'web.shop.svc.cluster.local.', 'web.shop:80', '[::1]:8080', '10.0.0.1']) {
      app.received.fill('')
      await ask(pair.port, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`, (text) => text.endsWith('ok'))
      t.equal(
        fieldLines(app.received.join('')).find((line) => /^host:/i.test(line)),
        `Host: ${host}`,
        host,
      )
    }
  })

  test(`what one end of a tunnel has sent arrives though it closes, ${name}`, async (t) => {
    let heard = 0
    const app = await startTcp((socket) => {
      socket.once('data', (head: Buffer) => {
        socket.write('HTTP/1.1 200 Connected\r\n\r\n')
        if (head.includes('/app')) return socket.end(Buffer.alloc(LARGE_BYTES))
        socket.on('data', (data) => {
          heard += data.length
        })
        socket.on('end', () => socket.end())
      })
    })
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    t.teardown(() => {
      pair.close()
      app.close()
    })
    const open = async (field: string) => {
      const socket = await connectTcp(pair.port)
      socket.write(`CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\nX-Closes: ${field}\r\n\r\n`)
      return socket
    }
    const fromApp = await open('/app')
    const bytes = await readToEnd(fromApp)
    t.equal(bytes.length - bytes.indexOf('\r\n\r\n') - 4, LARGE_BYTES, 'the application closes')
    fromApp.end()

    const fromClient = await open('/client')
    await once(fromClient, 'data')
    fromClient.end(Buffer.alloc(LARGE_BYTES))
    await readToEnd(fromClient)
    t.equal(heard, LARGE_BYTES, 'the client closes')
    await until(() => pair.open().outboundConnections === 0 && pair.open().inboundConnections <= 1)
  })
}
