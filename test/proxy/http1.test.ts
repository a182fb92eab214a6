import { once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { test } from 'tap'
import { Agent, request } from 'undici'
import { startPair } from './pair.ts'

async function serve(listener: http.RequestListener): Promise<{ server: http.Server; port: number }> {
  const server = http.createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

async function body(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

test('HTTP/1 through the pair', async (t) => {
  for (const isMeshed of [false, true]) {
    await t.test(isMeshed ? 'meshed' : 'unmeshed', async (t) => {
      const { server, port } = await serve(async (req, res) => {
        const content = await body(req)
        res.setHeader('x-method', req.method ?? '')
        res.setHeader('x-url', req.url ?? '')
        res.setHeader('x-host', req.headers.host ?? '')
        res.setHeader('x-client-id', String(req.headers['l5d-client-id'] ?? ''))
        res.setHeader(
          'x-l5d',
          Object.keys(req.headers)
            .filter((name) => name.startsWith('l5d-'))
            .join(),
        )
        if (req.url === '/chunked') {
          res.write('one,')
          setImmediate(() => res.end('two'))
          return
        }
        res.setHeader('content-length', content.length)
        res.end(req.method === 'HEAD' ? undefined : content)
      })
      const pair = await startPair({ appPorts: [port], isMeshed })
      const agent = new Agent({ connections: 4 })
      const origin = `http://127.0.0.1:${pair.port}`
      t.teardown(async () => {
        await agent.close()
        pair.close()
        server.close()
        server.closeAllConnections()
      })
      const send = (method: string, path: string, content?: Buffer) =>
        request(origin + path, {
          method: method as 'GET',
          dispatcher: agent,
          headers: { host: 'web.shop' },
          body: content ?? null,
        })

      const get = await send('GET', '/a?b=c')
      t.equal(get.statusCode, 200)
      t.match(get.headers, { 'x-method': 'GET', 'x-url': '/a?b=c', 'x-host': 'web.shop' })
      t.equal(get.headers['x-l5d'], isMeshed ? 'l5d-client-id' : '', 'no header of the mesh leaks')
      await get.body.dump()

      const post = await send('POST', '/echo', Buffer.alloc(1_000_000, 'y'))
      t.equal((await post.body.arrayBuffer()).byteLength, 1_000_000, 'a large body goes there and back')

      const chunked = await send('GET', '/chunked')
      t.equal(await chunked.body.text(), 'one,two')

      const head = await send('HEAD', '/')
      t.equal(head.statusCode, 200)
      t.equal(await head.body.text(), '')

      const many = await Promise.all(
        Array.from({ length: 200 }, (_, i) =>
          send('POST', `/${i}`, Buffer.from(`body ${i}`)).then((res) => res.body.text()),
        ),
      )
      t.same(
        many,
        Array.from({ length: 200 }, (_, i) => `body ${i}`),
        'two hundred requests keep their own bodies',
      )
    })
  }
})

test('requests that are pipelined are answered in order', async (t) => {
  const { server, port } = await serve((req, res) => setTimeout(() => res.end(req.url), req.url === '/0' ? 30 : 0))
  const pair = await startPair({ appPorts: [port] })
  t.teardown(() => {
    pair.close()
    server.close()
    server.closeAllConnections()
  })
  const socket = net.connect(pair.port, '127.0.0.1')
  socket.write(
    Array.from(
      { length: 5 },
      (_, i) => `GET /${i} HTTP/1.1\r\nHost: web\r\n${i === 4 ? 'Connection: close\r\n' : ''}\r\n`,
    ).join(''),
  )
  const text = (await body(socket)).toString()
  t.same(text.match(/(?<!HTTP)\/\d/g), ['/0', '/1', '/2', '/3', '/4'])
})

test('an upgrade becomes a tunnel', async (t) => {
  const { server, port } = await serve(() => {})
  server.on('upgrade', (req, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
    socket.pipe(socket)
    t.equal(req.headers.upgrade, 'echo')
  })
  const pair = await startPair({ appPorts: [port] })
  t.teardown(() => {
    pair.close()
    server.close()
    server.closeAllConnections()
  })
  const req = http.request({ port: pair.port, host: '127.0.0.1', headers: { connection: 'Upgrade', upgrade: 'echo' } })
  req.end()
  const [res, socket] = (await once(req, 'upgrade')) as [http.IncomingMessage, net.Socket]
  t.equal(res.statusCode, 101)
  socket.write('hello')
  const [first] = await once(socket, 'data')
  t.equal(String(first), 'hello')
  socket.end()
  await once(socket, 'close')
})

test('an application that is not there', async (t) => {
  const pair = await startPair({ appPorts: [1], isMeshed: false })
  t.teardown(() => pair.close())
  const res = await request(`http://127.0.0.1:${pair.port}/`)
  t.equal(res.statusCode, 502)
  t.match(res.headers.connection, /close/)
  await res.body.dump()
})
