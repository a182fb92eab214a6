import { once } from 'node:events'
import { test } from 'tap'
import { held, KEPT_SMALL, SMALL_CHUNK_BYTES } from '../http/chunk-pool.ts'
import { SocketTransport } from './socket-transport.ts'
import { joined, readAll, write } from './test-sockets.ts'

async function transportToClient() {
  const { client, accepted, close } = await joined(false)
  return { client, transport: new SocketTransport(accepted), close }
}

test('a transport over a socket', async (t) => {
  t.test('what was written before destroy arrives, what is written behind it does not', async (t) => {
    const { client, transport, close } = await transportToClient()
    const large = Buffer.alloc(32_000_000, 'x')
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

  t.test('a writer learns early that nobody reads, where that is asked for', async (t) => {
    const heldBytes = async (bound: number | undefined): Promise<number> => {
      const { client, transport, close } = await transportToClient()
      client.pause()
      if (bound !== undefined) transport.boundUnsent(bound)
      while (transport.isWritable) {
        write(transport, Buffer.alloc(4_000))
        transport.flush()
        // The kernel hands over what there is room for.
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
      const { writtenBytes } = transport
      close()
      return writtenBytes
    }
    const bounded = await heldBytes(16_384)
    const unbounded = await heldBytes(undefined)
    t.ok(bounded < unbounded / 2, `${bounded} bytes instead of ${unbounded}`)
  })

  t.test('end leaves the other direction open, close ends both', async (t) => {
    const { client, transport, close } = await transportToClient()
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
    const { client, transport, close } = await transportToClient()
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

test('connections that are answered in one turn do not each hold a chunk until its end', async (t) => {
  const count = 3 * KEPT_SMALL
  const pairs = await Promise.all(Array.from({ length: count }, transportToClient))
  let most = 0
  for (const { transport } of pairs) {
    transport.handler = {
      onBytes: () => {
        write(transport, Buffer.from('answer'))
        most = Math.max(most, held.bytes)
      },
      onEnd() {},
      onDrain() {},
      onClose() {},
    }
  }
  const answers = pairs.map(({ client }) => once(client, 'data'))
  const before = held.bytes
  for (const { client } of pairs) client.write('question')
  t.same(new Set((await Promise.all(answers)).map(String)), new Set(['answer']))
  t.ok(most > before + SMALL_CHUNK_BYTES, 'several in one turn')
  t.ok(most <= before + KEPT_SMALL * SMALL_CHUNK_BYTES, `${most} bytes for ${count} connections`)
  for (const { close } of pairs) close()
})
