import { once } from 'node:events'
import http from 'node:http'
import type http2 from 'node:http2'
import { type Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test } from 'tap'
import { connectHttp2, readToEnd, startHttp1, startHttp2, until } from './apps.ts'
import { startPair } from './pair.ts'

const TRANSFER_BYTES = 100_000_000
/** Client, application and both proxies are this process; what they hold must not grow with what they carry. */
const MAX_GROWTH_BYTES = 120_000_000
const CHUNK = Buffer.alloc(65_536, 'c')

/** Writes `bytes` as fast as the other side takes them. */
async function writeAll(stream: Writable, bytes: number): Promise<void> {
  for (let written = 0; written < bytes; written += CHUNK.length) {
    const chunk = bytes - written < CHUNK.length ? CHUNK.subarray(0, bytes - written) : CHUNK
    if (!stream.write(chunk)) await once(stream, 'drain')
  }
  stream.end()
}

async function count(stream: Readable): Promise<number> {
  let bytes = 0
  await pipeline(
    stream,
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        bytes += chunk.length
        done()
      },
    }),
  )
  return bytes
}

/** The most memory in use while `run` runs, above what was in use before. */
async function growth(run: () => Promise<void>): Promise<number> {
  const before = process.memoryUsage().rss
  let most = before
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss)
  }, 20)
  try {
    await run()
  } finally {
    clearInterval(timer)
  }
  return most - before
}

for (const isMeshed of [false, true]) {
  const name = isMeshed ? 'meshed' : 'unmeshed'

  test(`100 MB both ways in bounded memory, HTTP/1, ${name}`, async (t) => {
    const app = await startHttp1(async (req, res) => {
      if (req.method === 'POST') return void res.end(String(await count(req)))
      await writeAll(res, TRANSFER_BYTES)
    })
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    t.teardown(() => {
      pair.close()
      app.close()
    })
    const target = { host: '127.0.0.1', port: pair.port }
    const grown = await growth(async () => {
      const upload = http.request({ ...target, method: 'POST' })
      const answered = once(upload, 'response') as Promise<[http.IncomingMessage]>
      await writeAll(upload, TRANSFER_BYTES)
      const [answer] = await answered
      t.equal(String(await readToEnd(answer)), String(TRANSFER_BYTES), 'up')

      const [download] = (await once(http.get(target), 'response')) as [http.IncomingMessage]
      t.equal(await count(download), TRANSFER_BYTES, 'down')
    })
    t.ok(grown < MAX_GROWTH_BYTES, `grew by ${grown} bytes`)
  })

  test(`100 MB both ways in bounded memory, HTTP/2, ${name}`, async (t) => {
    const app = await startHttp2(async (stream, headers) => {
      stream.respond({ ':status': 200 })
      if (headers[':method'] === 'POST') stream.end(String(await count(stream)))
      else await writeAll(stream, TRANSFER_BYTES)
    })
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    const session = await connectHttp2(pair.port)
    t.teardown(() => {
      session.destroy()
      pair.close()
      app.close()
    })
    const grown = await growth(async () => {
      const upload = session.request({ ':method': 'POST', ':path': '/' })
      const answer = readToEnd(upload)
      await writeAll(upload, TRANSFER_BYTES)
      t.equal(String(await answer), String(TRANSFER_BYTES), 'up')
      t.equal(await count(session.request({ ':path': '/' })), TRANSFER_BYTES, 'down')
    })
    t.ok(grown < MAX_GROWTH_BYTES, `grew by ${grown} bytes`)
    await until(() => pair.open().upstream === 0 && pair.open().app === 0)
  })

  test(`slow readers next to quick neighbours on one connection, ${name}`, async (t) => {
    let writtenToSlow = 0
    const app = await startHttp2((stream, headers) => {
      stream.respond({ ':status': 200 })
      if (headers[':path'] === '/quick') return void stream.end('quick')
      const write = (): void => {
        do writtenToSlow += CHUNK.length
        while (stream.write(CHUNK))
      }
      stream.on('drain', write)
      write()
    })
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    const session = await connectHttp2(pair.port)
    t.teardown(() => {
      session.destroy()
      pair.close()
      app.close()
    })
    const slow: http2.ClientHttp2Stream[] = []
    for (let i = 0; i < 10; i++) {
      const stream = session.request({ ':path': '/slow' })
      stream.on('error', () => {})
      await once(stream, 'response')
      stream.pause()
      slow.push(stream)
    }
    for (let i = 0; i < 200; i++) {
      const quick = session.request({ ':path': '/quick' })
      if ((await count(quick)) !== 5) t.fail('a quick answer was cut')
    }
    t.pass('two hundred quick answers')
    t.ok(writtenToSlow < 30_000_000, `${writtenToSlow} bytes wait for those who do not read`)
    for (const stream of slow) stream.close(8)
    await until(() => pair.open().upstream === 0 && pair.open().app === 0)
    t.pass('nothing stays open behind those who gave up')
  })

  test(`many responses that their client takes slowly leave no debt behind, ${name}`, async (t) => {
    const content = Buffer.alloc(60_000, 'r')
    const app = await startHttp2((stream) => {
      stream.respond({ ':status': 200 })
      stream.end(content)
    })
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    t.teardown(() => {
      pair.close()
      app.close()
    })
    // Each client lets its window shut, so that the end of the response waits in the proxy behind its upstream's END_STREAM:
    // 30 MB in all, more than may ever wait unread on the connection to the endpoint.
    for (let round = 0; round < 10; round++) {
      const session = await connectHttp2(pair.port)
      session.settings({ initialWindowSize: 1_000 })
      const streams: http2.ClientHttp2Stream[] = []
      for (let i = 0; i < 50; i++) streams.push(session.request({ ':path': '/' }))
      const sizes = await Promise.all(streams.map(count))
      if (sizes.some((size) => size !== content.length)) t.fail('a response was cut')
      session.destroy()
    }
    t.pass('five hundred responses')
    await until(() => pair.open().upstream === 0 && pair.open().app === 0)
  })
}

test('a request larger than the window waits for an endpoint', async (t) => {
  const app = await startHttp1(async (req, res) => void res.end(String(await count(req))))
  t.teardown(() => app.close())
  for (const isMeshed of [false, true]) {
    const pair = await startPair({ appPorts: [], isMeshed })
    t.teardown(() => pair.close())
    const upload = http.request({ host: '127.0.0.1', port: pair.port, method: 'POST' })
    const answered = once(upload, 'response') as Promise<[http.IncomingMessage]>
    const written = writeAll(upload, 3_000_000)
    await new Promise((resolve) => setTimeout(resolve, 100))
    pair.setEndpoints([app.port])
    await written
    const [answer] = await answered
    t.equal(answer.statusCode, 200)
    t.equal(String(await readToEnd(answer)), '3000000', isMeshed ? 'meshed' : 'unmeshed')
  }
})
