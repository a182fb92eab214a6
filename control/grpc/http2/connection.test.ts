/** What ends a connection that says nothing, or too little: time is an argument. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { type Test, test } from 'tap'
import { Http2Connection } from './connection.ts'
import { encodeFields } from './hpack.ts'
import { ErrorCode, FrameType, frame, PREFACE, u32 } from './protocol.ts'

const SETTINGS = frame(FrameType.SETTINGS, 0, 0, Buffer.of())

async function start(t: Test, bytes: Uint8Array) {
  const clock = { nowMs: 0 }
  const asked: number[] = []
  const made = Promise.withResolvers<Http2Connection>()
  const closed = Promise.withResolvers<void>()
  const server = createServer((socket) => {
    const connection = new Http2Connection(socket, {
      onRequest: (stream) => asked.push(stream.id),
      onClosed: () => closed.resolve(),
      nowMs: () => clock.nowMs,
      maxStreams: 1,
      streamWindowBytes: 1_000,
      keepAliveMs: { time: 60_000, timeout: 20_000 },
    })
    made.resolve(connection)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  t.teardown(() => {
    client.destroy()
    server.close()
  })
  client.on('error', () => {})
  const heard: Buffer[] = []
  client.on('data', (chunk: Buffer) => heard.push(chunk))
  client.write(bytes)
  const connection = await made.promise
  /** Until the client has heard `frame`. */
  const hears = async (expected: Buffer) => {
    while (!Buffer.concat(heard).includes(expected)) await once(client, 'data')
  }
  const at = (nowMs: number) => {
    clock.nowMs = nowMs
    connection.tick()
  }
  return { client, connection, hears, at, asked, closed: closed.promise }
}

test('a client that vanished is asked, and let go when it does not answer', async (t) => {
  const { hears, at, closed, client } = await start(t, Buffer.concat([PREFACE, SETTINGS]))
  await hears(frame(FrameType.SETTINGS, 1, 0, Buffer.of()))
  client.pause()
  at(59_999)
  at(60_000)
  at(79_999)
  client.resume()
  await hears(frame(FrameType.PING, 0, 0, Buffer.alloc(8)))
  at(80_000)
  await closed
  t.pass()
})

test('who does not begin is let go', async (t) => {
  const { at, closed } = await start(t, PREFACE.subarray(0, 10))
  at(20_000)
  await closed
  t.pass()
})

test('a request that does not come to its end is reset; one stream too many is refused', async (t) => {
  const block = encodeFields([
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', '/x'],
  ])
  const heads = [1, 3].map((streamId) => frame(FrameType.HEADERS, 4, streamId, block))
  const { hears, at, asked } = await start(t, Buffer.concat([PREFACE, SETTINGS, ...heads]))
  await hears(frame(FrameType.RST_STREAM, 0, 3, u32(ErrorCode.REFUSED_STREAM)))
  t.same(asked, [1])
  at(20_000)
  await hears(frame(FrameType.RST_STREAM, 0, 1, u32(ErrorCode.CANCEL)))
})
