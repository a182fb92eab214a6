import http2 from 'node:http2'
import { test } from 'tap'
import { startHttp1, startHttp2 } from './apps.ts'
import { startPair } from './pair.ts'
import { ask, startRaw } from './raw-http1.ts'

const KIB = 1_024
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'

/** A request head of exactly `bytes`, most of them in the field X-Big. */
function requestOf(bytes: number): string {
  const [front, back] = ['GET / HTTP/1.1\r\nHost: a\r\nX-Small: 1\r\nX-Big: ', '\r\nX-Last: 1\r\n\r\n']
  return `${front}${'b'.repeat(bytes - front.length - back.length)}${back}`
}

for (const isMeshed of [false, true]) {
  const name = isMeshed ? 'meshed' : 'unmeshed'

  test(`HTTP/1 heads of 64 KiB and beyond, ${name}`, async (t) => {
    const app = await startRaw(() => OK)
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    t.teardown(() => {
      pair.close()
      app.close()
    })
    t.match(await ask(pair.port, requestOf(64 * KIB)), /^HTTP\/1\.1 200 OK/, 'exactly 64 KiB pass')
    t.ok(app.received.join('').includes(requestOf(64 * KIB).slice(0, 60_000)))

    const many = `GET / HTTP/1.1\r\nHost: a\r\n${Array.from({ length: 255 }, (_, i) => `X-${i}: ${'v'.repeat(240)}\r\n`).join('')}\r\n`
    t.match(await ask(pair.port, many), /^HTTP\/1\.1 200 OK/, 'so do 256 fields, whatever HTTP/2 counts for each')

    const big = await ask(pair.port, requestOf(64 * KIB + 1))
    t.match(big, /^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/, 'one byte more does not')
    t.match(big, /\r\nl5d-proxy-error: the head is larger than 65536 bytes; X-Last crossed that limit\r\n/)
    t.match(big, /\r\nconnection: close\r\n/)
    t.match(await ask(pair.port, requestOf(80 * KIB)), /; X-Big crossed that limit\r\n/, 'it names the field')
    const later = `GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /${'p'.repeat(70_000)} HTTP/1.1\r\nHost: a\r\n\r\n`
    t.match(await ask(pair.port, later, (reply) => reply.includes('414')), /; its first line crossed/)

    const fields = await ask(pair.port, `GET / HTTP/1.1\r\nHost: a\r\n${'x-y: z\r\n'.repeat(256)}\r\n`)
    t.match(fields, /\r\nl5d-proxy-error: the head has more than 256 fields; x-y crossed that limit\r\n/)
  })

  test(`HTTP/1 answers of 64 KiB and beyond, ${name}`, async (t) => {
    const app = await startRaw((request) => {
      const [front, back] = ['HTTP/1.1 200 OK\r\nX-Big: ', '\r\nContent-Length: 0\r\n\r\n']
      const bytes = Number(/\/(\d+)/.exec(request)?.[1])
      return `${front}${'b'.repeat(bytes - front.length - back.length)}${back}`
    })
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    t.teardown(() => {
      pair.close()
      app.close()
    })
    t.match(
      await ask(pair.port, `GET /${64 * KIB} HTTP/1.1\r\nHost: a\r\n\r\n`),
      /^HTTP\/1\.1 200 OK\r\nX-Big: b{65000}/,
    )
    const big = await ask(pair.port, `GET /${70 * KIB} HTTP/1.1\r\nHost: a\r\n\r\n`)
    t.match(big, /^HTTP\/1\.1 502 Bad Gateway\r\n/)
    if (!isMeshed) t.match(big, /the head is larger than 65536 bytes; X-Big crossed that limit/)
  })

  test(`HTTP/2 heads of 64 KiB and beyond, ${name}`, async (t) => {
    const app = await startHttp2((stream, headers) => {
      stream.respond({ ':status': 200, 'x-bytes': String(headers['x-big']).length })
      stream.end()
    })
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    t.teardown(() => {
      pair.close()
      app.close()
    })
    // On a new connection: a client that has our SETTINGS would not even send what is too large.
    const get = (bytes: number) => {
      const client = http2.connect(`http://127.0.0.1:${pair.port}`, { maxSendHeaderBlockLength: 1_000_000 })
      client.on('error', () => {})
      const stream = client.request({ ':path': '/', 'x-small': '1', 'x-big': 'b'.repeat(bytes) })
      stream.on('close', () => client.close())
      return new Promise<Record<string, unknown>>((resolve, reject) => {
        stream.on('response', (headers) => resolve({ ...headers }))
        stream.on('error', reject)
      })
    }
    t.match(await get(60_000), { ':status': 200, 'x-bytes': '60000' })
    t.match(await get(70_000), {
      ':status': 431,
      'l5d-proxy-error': 'the field list is larger than 65536 bytes (RFC 9113 6.5.2); x-big crossed that limit',
    })
  })
}

test('the limit is a setting', async (t) => {
  const app = await startHttp1((_req, res) => void res.end())
  const pair = await startPair({ appPorts: [app.port], http2: { maxHeaderListBytes: 4 * KIB } })
  t.teardown(() => {
    pair.close()
    app.close()
  })
  t.match(await ask(pair.port, requestOf(4 * KIB)), /^HTTP\/1\.1 200 OK/)
  t.match(await ask(pair.port, requestOf(4 * KIB + 1)), /larger than 4096 bytes/)
})
