import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { test } from 'tap'
import { MAX_SNIFFED_READS, type Sniffed, sniff } from './sniff.ts'
import { SocketTransport } from './socket-transport.ts'

async function joined(): Promise<{ client: net.Socket; accepted: net.Socket; close(): void }> {
  const server = net.createServer({ allowHalfOpen: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = net.connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true })
  const [accepted] = (await once(server, 'connection')) as [net.Socket]
  return {
    client,
    accepted,
    close() {
      client.destroy()
      accepted.destroy()
      server.close()
    },
  }
}

const line = (buf: Buffer): string | undefined => (buf.includes('\n') ? buf.toString('latin1') : undefined)

function sniffed(socket: net.Socket, decide: (buf: Buffer) => string | undefined, timeoutMs = 10_000) {
  return new Promise<Sniffed<string>>((resolve) => sniff(socket, timeoutMs, decide, resolve))
}

/** Everything a transport over `socket` hears. */
function hear(socket: net.Socket): Promise<string> {
  const transport = new SocketTransport(socket)
  let text = ''
  return new Promise((resolve) => {
    transport.handler = {
      onBytes: (buf, start, end) => {
        text += buf.toString('latin1', start, end)
      },
      onEnd: () => resolve(text),
      onDrain() {},
      onClose() {},
    }
  })
}

test('looking at the first bytes of a connection', async (t) => {
  t.test('the decision may need several reads, and every byte is handed on', async (t) => {
    const { client, accepted, close } = await joined()
    client.setNoDelay(true)
    client.write('hel')
    const result = sniffed(accepted, line)
    setImmediate(() => client.end('lo\nrest'))
    t.match(await result, { outcome: { kind: 'decided' } })
    t.equal(await hear(accepted), 'hello\nrest')
    close()
  })

  t.test('a connection that ends undecided still hands on what it said, also behind a second look', async (t) => {
    const { client, accepted, close } = await joined()
    client.end('no line')
    t.same(await sniffed(accepted, line), { outcome: { kind: 'ended' }, bytes: 7 })
    t.same(await sniffed(accepted, line), { outcome: { kind: 'ended' }, bytes: 7 }, 'asked again')
    t.same(await sniffed(accepted, String), { outcome: { kind: 'decided', value: 'no line' }, bytes: 7 })
    t.equal(await hear(accepted), 'no line')
    close()
  })

  t.test('very many small pieces are not waited for', async (t) => {
    const { client, accepted, close } = await joined()
    const done = sniffed(accepted, line)
    // Each piece is seen before the next is sent, so each is a read.
    const onData = (): void => void client.write('x')
    accepted.on('data', onData)
    onData()
    t.same(await done, { outcome: { kind: 'timeout' }, bytes: MAX_SNIFFED_READS })
    accepted.off('data', onData)
    close()
  })

  t.test('silence times out', async (t) => {
    const { accepted, close } = await joined()
    t.same(await sniffed(accepted, line, 20), { outcome: { kind: 'timeout' }, bytes: 0 })
    close()
  })
})
