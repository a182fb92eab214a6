import { once } from 'node:events'
import { test } from 'tap'
import { SocketTransport } from './socket-transport.ts'
import { streamHandleOf } from './stream-handle.ts'
import { joined, readAll, write } from './test-sockets.ts'

/** Bytes whose order shows. */
function counting(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE(at, at)
  return bytes
}

for (const isTls of [false, true]) {
  test(`the handle of a socket, ${isTls ? 'TLS' : 'plain'}`, async (t) => {
    t.test('this Node has what direct reads and writes need', async (t) => {
      const { accepted, close } = await joined(isTls)
      t.not(streamHandleOf(accepted), undefined)
      close()
    })

    t.test('nothing is written or read through the stream', async (t) => {
      const { client, accepted, close } = await joined(isTls)
      const transport = new SocketTransport(accepted)
      let received = ''
      transport.handler = {
        onBytes(buf, start, end) {
          received += buf.toString('latin1', start, end)
        },
        onEnd() {},
        onDrain() {},
        onClose() {},
      }
      accepted.write = () => t.fail('written through the stream') as never
      accepted.push = () => t.fail('read through the stream') as never
      write(transport, Buffer.from('to the client'))
      const [data] = await once(client, 'data')
      t.equal(String(data), 'to the client')
      client.write('from the client')
      while (received === '') await new Promise((resolve) => setImmediate(resolve))
      t.equal(received, 'from the client')
      t.equal(transport.pendingBytes, 0)
      close()
    })

    t.test('more than the kernel takes arrives in order, and the end behind it', async (t) => {
      const { client, accepted, close } = await joined(isTls)
      const transport = new SocketTransport(accepted)
      const bytes = counting(6_000_000)
      let drains = 0
      transport.handler = { onBytes() {}, onEnd() {}, onDrain: () => drains++, onClose() {} }
      client.pause()
      for (let at = 0; at < bytes.length; at += 100_000) {
        write(transport, bytes.subarray(at, at + 100_000))
        transport.flush()
      }
      transport.end()
      t.equal(transport.isWritable, false)
      t.ok(transport.pendingBytes > 65_536)
      t.ok((await readAll(client)).equals(bytes))
      t.equal(drains, 1)
      t.match(transport, { pendingBytes: 0, isWritable: true })
      close()
    })

    t.test('a writer that waits for every drain writes everything', async (t) => {
      const { client, accepted, close } = await joined(isTls)
      const transport = new SocketTransport(accepted)
      const bytes = counting(3_000_000)
      let at = 0
      const more = () => {
        while (at < bytes.length && transport.isWritable) {
          write(transport, bytes.subarray(at, at + 30_000))
          transport.flush()
          at += 30_000
        }
        if (at >= bytes.length) transport.end()
      }
      transport.handler = { onBytes() {}, onEnd() {}, onDrain: more, onClose() {} }
      more()
      t.ok((await readAll(client)).equals(bytes))
      close()
    })

    t.test('what was written before destroy arrives', async (t) => {
      const { client, accepted, close } = await joined(isTls)
      const transport = new SocketTransport(accepted)
      const bytes = counting(5_000_000)
      for (let at = 0; at < bytes.length; at += 50_000) {
        write(transport, bytes.subarray(at, at + 50_000))
        transport.flush()
      }
      transport.destroy()
      write(transport, Buffer.from('too late'))
      t.ok((await readAll(client)).equals(bytes))
      close()
    })

    t.test('a peer that resets ends the transport with what is still to write', async (t) => {
      const { client, accepted, close } = await joined(isTls)
      const transport = new SocketTransport(accepted)
      const closed = new Promise<Error | undefined>((resolve) => {
        transport.handler = { onBytes() {}, onEnd() {}, onDrain() {}, onClose: resolve }
      })
      client.on('error', () => {})
      client.pause()
      for (let i = 0; i < 80; i++) {
        write(transport, Buffer.alloc(65_536))
        transport.flush()
      }
      t.equal(transport.isWritable, false)
      // Closed with bytes that nobody has read: the kernel sends a reset.
      client.destroy()
      t.match(await closed, { code: /^(ECONNRESET|EPIPE)$/ })
      t.equal(transport.isClosed, true)
      write(transport, Buffer.from('to nobody'))
      transport.flush()
      t.equal(transport.pendingBytes, 0)
      close()
    })
  })
}

test('a socket with something left to write keeps its order', async (t) => {
  const { client, accepted, close } = await joined(false)
  const bytes = counting(6_000_000)
  client.pause()
  accepted.write(bytes)
  t.equal(streamHandleOf(accepted), undefined)
  const transport = new SocketTransport(accepted)
  write(transport, Buffer.from('behind it'))
  transport.end()
  const received = await readAll(client)
  t.ok(received.subarray(0, bytes.length).equals(bytes))
  t.equal(String(received.subarray(bytes.length)), 'behind it')
  close()
})

test('the error of a write names it as Node does', async (t) => {
  const { client, accepted, close } = await joined(false)
  client.on('error', () => {})
  const transport = new SocketTransport(accepted)
  const closed = new Promise<Error | undefined>((resolve) => {
    transport.handler = { onBytes() {}, onEnd() {}, onDrain() {}, onClose: resolve }
  })
  // Nothing more may be sent on it: the next write is refused at once.
  const { ShutdownWrap } = (
    process as unknown as { binding(name: string): { readonly ShutdownWrap: new () => object } }
  ).binding('stream_wrap')
  const { _handle: handle } = accepted as unknown as { readonly _handle: { shutdown(request: object): number } }
  handle.shutdown(new ShutdownWrap())
  await new Promise((resolve) => setImmediate(resolve))
  write(transport, Buffer.from('too late'))
  t.match(await closed, { code: 'EPIPE', syscall: 'write', message: 'write EPIPE' })
  close()
})
