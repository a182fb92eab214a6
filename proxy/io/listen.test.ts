import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { test } from 'tap'
import { listen } from './listen.ts'

test('listen', async (t) => {
  const server = createServer((socket) => socket.end())
  t.teardown(() => server.close())
  await listen(server, { ip: '127.0.0.1', port: 0 }, false)
  const { address, port } = server.address() as AddressInfo
  t.equal(address, '127.0.0.1')
  const client = connect({ host: '127.0.0.1', port })
  client.resume()
  await once(client, 'end')

  const second = createServer()
  await t.rejects(listen(second, { ip: '127.0.0.1', port }, false), {
    message: `127.0.0.1:${port} is in use by another program`,
  })
  await t.rejects(listen(second, { ip: '203.0.113.1', port }, false), {
    message: /^cannot listen on 203\.0\.113\.1:\d+: .*EADDRNOTAVAIL/,
  })
})

test('listen, shared with other processes', async (t) => {
  const servers = [createServer(), createServer()]
  t.teardown(() => servers.forEach((server) => void server.close()))
  await listen(servers[0]!, { ip: '127.0.0.1', port: 0 }, true)
  const { port } = servers[0]!.address() as AddressInfo
  await listen(servers[1]!, { ip: '127.0.0.1', port }, true)
  t.match(servers[1]!.address(), { port })
})
