import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { test } from 'tap'
import { readInto } from './shared-read.ts'

test('an accepted socket reads into our buffer, behind what was put back', async (t) => {
  const shared = Buffer.alloc(65_536)
  const server = net.createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = net.connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [accepted] = (await once(server, 'connection')) as [net.Socket]
  client.write('first,')
  const [first] = await once(accepted, 'data')
  accepted.pause()
  accepted.unshift(first)
  const heard: string[] = []
  const buffers = new Set<Buffer>()
  const isShared = readInto(accepted, shared, (length, buf) => {
    heard.push(buf.toString('latin1', 0, length))
    buffers.add(buf)
    return true
  })
  t.equal(isShared, true, 'this Node has the mechanism')
  accepted.on('data', (data: Buffer) => heard.push(`back:${data}`))
  accepted.resume()
  client.write('second')
  while (heard.length < 2) await new Promise((resolve) => setImmediate(resolve))
  t.same(heard, ['back:first,', 'second'])
  t.same([...buffers], [shared], 'no other buffer was used')
  const ended = once(accepted, 'end')
  client.end()
  await ended
  accepted.destroy()
  server.close()
})
