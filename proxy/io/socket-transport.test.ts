import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { test } from 'tap'
import { SocketTransport } from './socket-transport.ts'

async function joined() {
  const server = net.createServer({ allowHalfOpen: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = net.connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true })
  const [accepted] = (await once(server, 'connection')) as [net.Socket]
  const transport = new SocketTransport(accepted)
  return {
    client,
    transport,
    close() {
      client.destroy()
      accepted.destroy()
      server.close()
    },
  }
}

function write(transport: SocketTransport, bytes: Buffer): void {
  transport.ensure(bytes.length)
  bytes.copy(transport.buf, transport.at)
  transport.at += bytes.length
  transport.flushSoon()
}

async function readAll(socket: net.Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(socket, 'end')
  return Buffer.concat(chunks)
}

test('a transport over a socket', async (t) => {
  t.test('what was written before destroy arrives, what is written behind it does not', async (t) => {
    const { client, transport, close } = await joined()
    const large = Buffer.alloc(4_000_000, 'x')
    write(transport, large)
    transport.flush()
    t.equal(transport.isWritable, false, 'more than the kernel takes')
    write(transport, Buffer.from('goodbye'))
    transport.destroy()
    write(transport, Buffer.from('too late'))
    const received = await readAll(client)
    t.equal(received.length, large.length + 7)
    t.equal(received.subarray(-7).toString(), 'goodbye')
    close()
  })

  t.test('end leaves the other direction open, close ends both', async (t) => {
    const { client, transport, close } = await joined()
    const heard: string[] = []
    transport.handler = {
      onBytes: (buf, start, end) => heard.push(buf.toString('latin1', start, end)),
      onEnd: () => heard.push('end'),
      onDrain() {},
      onClose: () => heard.push('close'),
    }
    write(transport, Buffer.from('last words'))
    transport.end()
    t.equal(String(await readAll(client)), 'last words')
    client.end('answer')
    await once(transport.socket, 'close')
    t.same(heard, ['answer', 'end', 'close'])
    close()
  })

  t.test('a paused transport hears nothing, and everything afterwards', async (t) => {
    const { client, transport, close } = await joined()
    let bytes = 0
    transport.handler = {
      onBytes(_buf, start, end) {
        bytes += end - start
        transport.pause()
        setImmediate(() => transport.resume())
      },
      onEnd() {},
      onDrain() {},
      onClose() {},
    }
    client.end(Buffer.alloc(1_000_000))
    await once(transport.socket, 'end')
    t.equal(bytes, 1_000_000)
    close()
  })
})
