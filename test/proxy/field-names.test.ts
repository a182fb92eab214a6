import { test } from 'tap'
import { connectHttp2, startHttp2 } from './apps.ts'
import { startPair } from './pair.ts'
import { ask, fieldLines, startRaw } from './raw-http1.ts'

const REQUESTS = [
  { name: 'Title-Case', lines: ['User-Agent: a', 'Host: web.shop', 'X-Own: 1', 'Accept: */*'] },
  { name: 'lower case', lines: ['user-agent: a', 'host: web.shop', 'x-own: 1'] },
  { name: 'upper case', lines: ['HOST: web.shop', 'X-OWN: 1', 'COOKIE: a=b'] },
  {
    name: 'odd ways',
    lines: ['hOST: web.shop', 'x-OWN: 1', 'DNT: 1', 'sec-fetch-mode: cors', 'X-B3-TraceId: 9', 'x-own: 2'],
  },
]
const ANSWERS = [
  ['Content-Length: 0', 'ETag: "a"', 'Server: b', 'WWW-Authenticate: Basic', 'X-Own: 1'],
  ['server: b', 'content-length: 0', 'x-own: 1'],
  ['DATE: now', 'CONTENT-LENGTH: 0'],
]

for (const isMeshed of [false, true]) {
  test(`field names keep case and order through ${isMeshed ? 'a meshed' : 'an unmeshed'} pair`, async (t) => {
    let answer: readonly string[] = []
    const app = await startRaw(() => `HTTP/1.1 200 OK\r\n${answer.join('\r\n')}\r\n\r\n`)
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    t.teardown(() => {
      pair.close()
      app.close()
    })
    const arrived = (): string[] => {
      const text = app.received.join('')
      app.received.fill('')
      return fieldLines(text).filter((line) => !line.startsWith('l5d-'))
    }
    for (const { name, lines } of REQUESTS) {
      for (answer of ANSWERS) {
        const reply = await ask(pair.port, `GET / HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
        t.same(arrived(), lines, `request in ${name}`)
        t.same(fieldLines(reply), answer, `answer ${answer[0]}`)
      }
    }

    answer = ANSWERS[0]!
    const said = await ask(pair.port, 'GET / HTTP/1.1\r\nHost: a\r\nWeft-Names: l\r\nX-Own: 1\r\n\r\n')
    t.same(arrived(), ['Host: a', 'X-Own: 1'], 'an application cannot say what only proxies say')
    t.same(fieldLines(said), answer)

    answer = ['Weft-Names: T', 'x-own: 1', 'content-length: 0']
    const leaked = await ask(pair.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    t.same(arrived(), ['Host: a'])
    t.same(fieldLines(leaked), ['x-own: 1', 'content-length: 0'], 'nor answer')
  })

  test(`trailers and informational answers keep their names, ${isMeshed ? 'meshed' : 'unmeshed'}`, async (t) => {
    const app = await startRaw(
      () =>
        'HTTP/1.1 103 Early Hints\r\nLINK: </a>\r\nx-A: 1\r\n\r\n' +
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\nETag: b\r\nx-end: 1\r\n\r\n',
    )
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    t.teardown(() => {
      pair.close()
      app.close()
    })
    const reply = await ask(
      pair.port,
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-SUM: 1\r\nETag: b\r\n\r\n',
      (text) => text.endsWith('x-end: 1\r\n\r\n'),
    )
    t.match(reply, /^HTTP\/1\.1 103 Early Hints\r\nLINK: <\/a>\r\nx-A: 1\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
    t.match(reply, /\r\n0\r\nX-Sum: 1\r\nETag: b\r\nx-end: 1\r\n\r\n$/, 'of the answer')
    t.match(app.received.join(''), /\r\n0\r\nX-SUM: 1\r\nETag: b\r\n\r\n$/, 'of the request')
  })
}

test('an application that speaks HTTP/2 sees nothing of it', async (t) => {
  const seen: string[] = []
  const app = await startHttp2((stream, headers) => {
    seen.push(...Object.keys(headers))
    stream.respond({ ':status': 200, 'weft-names': 'T' })
    stream.end()
  })
  const pair = await startPair({ appPorts: [app.port] })
  const client = await connectHttp2(pair.port)
  t.teardown(() => {
    client.destroy()
    pair.close()
    app.close()
  })
  const stream = client.request({ ':path': '/', 'weft-names': 'T', 'x-own': '1' })
  const answered = await new Promise<object>((resolve) => stream.on('response', resolve))
  t.ok(seen.includes('x-own'))
  t.notOk(seen.includes('weft-names'))
  t.notOk('weft-names' in answered)
})

test('a meshed client that says nothing of names is not told any, and is not believed', async (t) => {
  const app = await startRaw(() => 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Own: 1\r\n\r\n')
  const pair = await startPair({ appPorts: [app.port] })
  const client = await connectHttp2(await pair.openInbound(app.port))
  t.teardown(() => {
    client.destroy()
    pair.close()
    app.close()
  })
  const stream = client.request({ ':path': '/', 'l5d-orig-proto': 'HTTP/1.1', 'weft-names': 'T', 'x-own': '1' })
  const answered = await new Promise<object>((resolve) => stream.on('response', resolve))
  t.match(app.received.join(''), /\r\nx-own: 1\r\n/)
  t.notMatch(app.received.join('').toLowerCase(), /weft-names/)
  t.notOk('weft-names' in answered)
})
