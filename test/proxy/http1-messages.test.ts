/** What HTTP/1 can say, byte by byte: with and without the HTTP/2 hop of the mesh. */
import { once } from 'node:events'
import { test } from 'tap'
import { connectTcp, readToEnd, startHttp1, startTcp, until } from './apps.ts'
import { type Pair, startPair } from './pair.ts'
import { ask, fieldLines, type RawApp, startRaw } from './raw-http1.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

interface Bed {
  readonly app: RawApp
  readonly pair: Pair
}

async function bed(
  t: { teardown(end: () => void): unknown },
  isMeshed: boolean,
  answer: Parameters<typeof startRaw>[0],
): Promise<Bed> {
  const app = await startRaw(answer)
  const pair = await startPair({ appPorts: [app.port], isMeshed })
  t.teardown(() => {
    pair.close()
    app.close()
  })
  return { app, pair }
}

/** Fields but for those of the mesh, in lower case. */
function plainFields(text: string): string[] {
  return fieldLines(text).filter((line) => !/^l5d-/i.test(line))
}

for (const isMeshed of [false, true]) {
  const name = isMeshed ? 'meshed' : 'unmeshed'

  test(`Expect: 100-continue, ${name}`, async (t) => {
    const HEAD = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n'

    t.test('the client waits, the application agrees', async (t) => {
      const { app, pair } = await bed(t, isMeshed, () => 'HTTP/1.1 100 Continue\r\n\r\n')
      const socket = await connectTcp(pair.port)
      t.teardown(() => socket.destroy())
      socket.write(HEAD)
      const [go] = (await once(socket, 'data')) as [Buffer]
      t.equal(go.toString(), 'HTTP/1.1 100 Continue\r\n\r\n')
      t.notMatch(app.received.join(''), /abc/)
      t.match(app.received.join(''), /\r\nExpect: 100-continue\r\n/)
      socket.write('abc')
      await until(() => app.received.join('').endsWith('\r\n\r\nabc'))
      t.pass('the content follows')
    })

    for (const status of ['417 Expectation Failed', '401 Unauthorized', '200 OK']) {
      t.test(`the application answers ${status} at once`, async (t) => {
        const { app, pair } = await bed(t, isMeshed, () => `HTTP/1.1 ${status}\r\nContent-Length: 2\r\n\r\nno`)
        const reply = await ask(pair.port, HEAD, (text) => text.endsWith('\r\n\r\nno'))
        t.match(reply, new RegExp(`^HTTP/1\\.1 ${status}\r\n`))
        t.notMatch(app.received.join(''), /abc/)
      })
    }

    t.test('a client that does not wait gets both answers', async (t) => {
      const { pair } = await bed(t, isMeshed, () => `HTTP/1.1 100 Continue\r\n\r\n${OK}`)
      const reply = await ask(pair.port, `${HEAD}abc`, (text) => text.endsWith('ok'))
      t.match(reply, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
    })
  })

  test(`several informational answers, ${name}`, async (t) => {
    const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n'
    const { pair } = await bed(
      t,
      isMeshed,
      () => `HTTP/1.1 100 Continue\r\n\r\n${hints}HTTP/1.1 102 Processing\r\n\r\n${hints}${OK}`,
    )
    const reply = await ask(pair.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', (text) => text.endsWith('ok'))
    t.same(reply.match(/^HTTP\/1\.1 \d+/gm), [
      'HTTP/1.1 100',
      'HTTP/1.1 103',
      'HTTP/1.1 102',
      'HTTP/1.1 103',
      'HTTP/1.1 200',
    ])
    t.equal(reply.match(/Link: <\/a.css>/g)?.length, 2)

    const old = await ask(pair.port, 'GET / HTTP/1.0\r\nHost: a\r\n\r\n', (text) => text.endsWith('ok'))
    t.match(old, /^HTTP\/1\.\d 200 OK\r\n/, 'HTTP/1.0 knows none of them')
  })

  test(`framing, ${name}`, async (t) => {
    const cases: { name: string; method?: string; answer: string; head: string[]; content: string }[] = [
      {
        name: 'HEAD with the length of its GET',
        method: 'HEAD',
        answer: '200 OK\r\nContent-Length: 1234\r\nETag: a\r\n\r\n',
        head: ['Content-Length: 1234', 'ETag: a'],
        content: '',
      },
      {
        name: 'HEAD without a length',
        method: 'HEAD',
        answer: '200 OK\r\nETag: a\r\n\r\n',
        head: ['ETag: a'],
        content: '',
      },
      {
        name: 'HEAD of what would be chunked',
        method: 'HEAD',
        answer: '200 OK\r\nTransfer-Encoding: chunked\r\nETag: a\r\n\r\n',
        head: ['ETag: a'],
        content: '',
      },
      { name: '204', answer: '204 No Content\r\nETag: a\r\n\r\n', head: ['ETag: a'], content: '' },
      {
        name: '204 that claims a length',
        answer: '204 No Content\r\nContent-Length: 0\r\nETag: a\r\n\r\n',
        head: ['ETag: a'],
        content: '',
      },
      {
        name: '304 with the length of the content',
        answer: '304 Not Modified\r\nContent-Length: 1234\r\nETag: a\r\n\r\n',
        head: ['Content-Length: 1234', 'ETag: a'],
        content: '',
      },
      { name: '304 without', answer: '304 Not Modified\r\nETag: a\r\n\r\n', head: ['ETag: a'], content: '' },
      {
        name: 'a length of 0',
        answer: '200 OK\r\nContent-Length: 0\r\n\r\n',
        head: ['Content-Length: 0'],
        content: '',
      },
      {
        name: 'an unknown reason',
        answer: '299 All Is Well\r\nContent-Length: 1\r\n\r\na',
        head: ['Content-Length: 1'],
        content: 'a',
      },
      {
        name: 'chunks with extensions',
        answer: '200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b;c="d"\r\nabc\r\n2 ; e\r\nde\r\n0;f\r\n\r\n',
        head: ['transfer-encoding: chunked'],
        content: 'abcde',
      },
      {
        name: 'fields that Connection names',
        answer:
          '200 OK\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-End: 2\r\nContent-Length: 0\r\n\r\n',
        head: ['X-End: 2', 'Content-Length: 0'],
        content: '',
      },
    ]
    let answer = ''
    const { pair } = await bed(t, isMeshed, () => `HTTP/1.1 ${answer}`)
    for (const { name, method = 'GET', answer: wanted, head, content } of cases) {
      answer = wanted
      // The second request shows that the first answer ended where it should.
      const reply = await ask(
        pair.port,
        `${method} / HTTP/1.1\r\nHost: a\r\n\r\n${method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
        () => false,
      )
      const [first, second] = reply.split(/(?=HTTP\/1\.1 )/)
      t.ok(first?.startsWith(`HTTP/1.1 ${wanted.slice(0, 3)} `), `${name}: status`)
      t.same(plainFields(first ?? ''), head, `${name}: fields`)
      t.same(plainFields(second ?? ''), [...head, 'connection: close'], `${name}: fields of the second`)
      const body = (first ?? '').slice((first ?? '').indexOf('\r\n\r\n') + 4)
      t.equal(head.includes('transfer-encoding: chunked') ? unchunked(body) : body, content, `${name}: content`)
    }
  })

  test(`requests, ${name}`, async (t) => {
    const cases = [
      {
        name: 'chunk extensions',
        text: 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n',
        lines: ['Host: a', 'transfer-encoding: chunked'],
      },
      {
        name: 'fields that Connection names',
        text: 'GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: b\r\nX-End: 2\r\n\r\n',
        lines: ['Host: a', 'X-End: 2'],
      },
      {
        name: 'a content-length of 0',
        text: 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n',
        lines: ['Host: a', 'Content-Length: 0'],
      },
      { name: 'no content at all', text: 'POST / HTTP/1.1\r\nHost: a\r\n\r\n', lines: ['Host: a'] },
      { name: 'absolute-form', text: 'GET http://b/x HTTP/1.1\r\nHost: b\r\n\r\n', lines: ['Host: b'] },
      { name: 'the server as a whole', text: 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', lines: ['Host: a'] },
      { name: 'HTTP/1.0 without Host', text: 'GET / HTTP/1.0\r\nX-Own: 1\r\n\r\n', lines: ['X-Own: 1'] },
      {
        name: 'an unknown method',
        text: 'PROPFIND /a?b=%2F&c HTTP/1.1\r\nHost: a\r\nDepth: 1\r\n\r\n',
        lines: ['Host: a', 'Depth: 1'],
      },
      {
        name: 'who takes trailers',
        text: 'GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n',
        lines: ['Host: a', 'TE: trailers', 'connection: te'],
      },
    ]
    const { app, pair } = await bed(t, isMeshed, () => OK)
    for (const { name, text, lines } of cases) {
      app.received.fill('')
      t.match(await ask(pair.port, text, (reply) => reply.endsWith('ok')), /^HTTP\/1\.\d 200 OK\r\n/, name)
      const got = app.received.join('')
      t.equal(got.slice(0, got.indexOf('\r\n')), text.slice(0, text.indexOf('\r\n')), `${name}: request line`)
      t.same(plainFields(got), lines, `${name}: fields`)
    }
  })

  test(`HTTP/1.0, ${name}`, async (t) => {
    const { app, pair } = await bed(t, isMeshed, (request) =>
      request.includes('/endless') ? 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n' : OK,
    )
    const once = await ask(pair.port, 'GET / HTTP/1.0\r\n\r\n', () => false)
    t.match(
      once,
      /^HTTP\/1\.[01] 200 OK\r\nContent-Length: 2\r\nconnection: close\r\n\r\nok$/i,
      'the connection ends with the answer',
    )
    t.match(app.received.join(''), /^GET \/ HTTP\/1\.0\r\n/, 'the version stays')
    const kept = 'GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n'
    const twice = await ask(pair.port, kept + kept.replace('keep-alive', 'close'), () => false)
    t.equal(twice.match(/200 OK/g)?.length, 2, 'keep-alive keeps it')
    t.match(twice, /connection: keep-alive\r\n/i)
    const chunked = await ask(
      pair.port,
      'GET /endless HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n',
      () => false,
    )
    t.match(chunked, /connection: close\r\n\r\nabc$/i, 'without a length the content ends with the connection')
  })

  test(`CONNECT, ${name}`, async (t) => {
    const app = await startTcp((socket) => {
      socket.once('data', (head: Buffer) => {
        t.match(head.toString(), /^CONNECT db:5432 HTTP\/1\.1\r\nHost: db:5432\r\n/)
        if (head.includes('X-No')) return socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno')
        socket.write('HTTP/1.1 200 Connected\r\nContent-Length: 5\r\n\r\nhello')
        socket.pipe(socket)
      })
    })
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    t.teardown(() => {
      pair.close()
      app.close()
    })
    const socket = await connectTcp(pair.port)
    socket.write('CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n')
    socket.once('data', () => socket.end('bytes'))
    t.match((await readToEnd(socket)).toString(), /^HTTP\/1\.1 200 Connected\r\n\r\nhellobytes$/)
    const refused = await ask(pair.port, 'CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\nX-No: 1\r\n\r\n', (text) =>
      text.endsWith('no'),
    )
    t.match(refused, /^HTTP\/1\.1 403 Forbidden\r\n[\s\S]*\r\n\r\nno$/)
  })

  test(`an upgrade that the application does not want, ${name}`, async (t) => {
    const { app, pair } = await bed(t, isMeshed, () => OK)
    const text = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n'
    const reply = await ask(pair.port, `${text}${text.replace('Upgrade', 'close, Upgrade')}`, () => false)
    t.equal(reply.match(/200 OK/g)?.length, 2, 'the connection goes on')
    t.match(app.received.join(''), /\r\nUpgrade: other\r\n/)
  })

  test(`three thousand requests in one write, ${name}`, async (t) => {
    const app = await startHttp1((req, res) => void res.end(req.url))
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    t.teardown(() => {
      pair.close()
      app.close()
    })
    const count = 3_000
    const last = `GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`
    const text = Array.from({ length: count }, (_, i) => `GET /${i} HTTP/1.1\r\nHost: a\r\nX-Own: ${i}\r\n\r\n`).join(
      '',
    )
    const reply = await ask(pair.port, text + last, () => false)
    const paths = reply.match(/(?<=\r\n\r\n)\/(\d+|last)/g) ?? []
    t.equal(paths.length, count + 1)
    t.ok(
      paths.every((path, i) => path === (i === count ? '/last' : `/${i}`)),
      'all answered, in order',
    )
  })

  test(`answers before the request has ended, ${name}`, async (t) => {
    const app = await startHttp1((req, res) => {
      if (req.url === '/early') return void res.end('e'.repeat(100_000))
      // Answers as it hears.
      res.writeHead(200)
      req.on('data', (chunk: Buffer) => res.write(chunk))
      req.on('end', () => res.end())
    })
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    t.teardown(() => {
      pair.close()
      app.close()
    })
    const socket = await connectTcp(pair.port)
    socket.write('POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n')
    let heard = ''
    socket.on('data', (chunk: Buffer) => {
      heard += chunk.toString()
    })
    for (const word of ['one', 'two', 'three']) {
      socket.write(`${word.length}\r\n${word}\r\n`)
      await until(() => heard.includes(word))
    }
    const ended = once(socket, 'end')
    socket.write('0\r\n\r\n')
    await ended
    t.match(heard, /one[\s\S]*two[\s\S]*three/, 'both directions flow at the same time')

    const early = await connectTcp(pair.port)
    early.write('POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n')
    const more = setInterval(() => early.writable && early.write('x'.repeat(10_000)), 1)
    const reply = (await readToEnd(early)).toString()
    clearInterval(more)
    early.destroy()
    t.match(reply, /^HTTP\/1\.1 200 OK\r\n/)
    t.equal(reply.match(/e{1000,}/)?.[0].length, 100_000, 'the answer arrives whole while the client still sends')
  })
}

function unchunked(text: string): string {
  let content = ''
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\r\n', at)
    const size = Number.parseInt(text.slice(at, end), 16)
    content += text.slice(end + 2, end + 2 + size)
    at = end + 4 + size
  }
  return content
}
