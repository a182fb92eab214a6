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
const COOKIES = [
  {
    name: 'several Cookie lines',
    lines: ['Host: web.shop', 'Cookie: a=1; b=2', 'X-Own: 1', 'Cookie: c=3', 'Cookie: a=1'],
  },
  { name: 'several Cookie lines in lower case', lines: ['host: web.shop', 'cookie: a=1', 'cookie: b=2'] },
  { name: 'one Cookie line', lines: ['Host: web.shop', 'Cookie: a=1; b=2'] },
]
const STATUS_LINES = [
  'HTTP/1.1 200 Fine by me',
  'HTTP/1.1 200 OK',
  'HTTP/1.1 413 Payload Too Large',
  'HTTP/1.1 499 Client Closed Request',
  'HTTP/1.1 500 java.lang.NullPointerException: \xe9\tat a.b(C.java:1)',
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

  test(`Cookie lines and reason phrases stay as they are, ${isMeshed ? 'meshed' : 'unmeshed'}`, async (t) => {
    let statusLine = ''
    const app = await startRaw(() => `${statusLine}\r\nContent-Length: 0\r\n\r\n`)
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    t.teardown(() => {
      pair.close()
      app.close()
    })
    for (statusLine of STATUS_LINES) {
      for (const { name, lines } of COOKIES) {
        const reply = await ask(pair.port, `GET / HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
        const arrived = fieldLines(app.received.join('')).filter((line) => !line.startsWith('l5d-'))
        app.received.fill('')
        t.same(arrived, lines, `${name}: as they were`)
        t.equal(reply.split('\r\n')[0], statusLine, 'and so is the answer')
        t.notMatch(reply, /weft-/i)
      }
    }
    statusLine = 'HTTP/1.1 200 OK\r\nWeft-Reason: Gone'
    t.match(await ask(pair.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'), /^HTTP\/1\.1 200 OK\r\nContent-Length: 0\r\n/)
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
    stream.respond({ ':status': 200, 'weft-names': 'T', 'weft-reason': 'Fine' })
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
  t.same(
    Object.keys(answered).filter((name) => name.startsWith('weft-')),
    [],
  )
})

test('a meshed client that did not agree on it is not told how HTTP/1 was written, and is not believed', async (t) => {
  const app = await startRaw(() => 'HTTP/1.1 200 Fine\r\nContent-Length: 0\r\nX-Own: 1\r\n\r\n')
  const pair = await startPair({ appPorts: [app.port] })
  const client = await connectHttp2(await pair.openInbound(app.port))
  t.teardown(() => {
    client.destroy()
    pair.close()
    app.close()
  })
  const own = { 'weft-names': 'cT', 'weft-reason': 'Fine', 'x-own': '1', cookie: ['a=1', 'b=2'] }
  const stream = client.request({ ':path': '/', 'l5d-orig-proto': 'HTTP/1.1', ...own })
  const answered = await new Promise<object>((resolve) => stream.on('response', resolve))
  t.match(app.received.join(''), /\r\nx-own: 1\r\n/)
  t.match(app.received.join(''), /\r\ncookie: a=1; b=2\r\n/)
  t.notMatch(app.received.join('').toLowerCase(), /weft-/)
  t.same(
    Object.keys(answered).filter((name) => name.startsWith('weft-')),
    [],
  )
})
