import { once } from 'node:events'
import http from 'node:http'
import type http2 from 'node:http2'
import net from 'node:net'
import { test } from 'tap'
import { NO_PROFILE, type Profile } from '../../proxy/policy/profile.ts'
import { connectHttp2, connectTcp, readToEnd, startHttp1, startHttp2, startTcp, until } from './apps.ts'
import { type Pair, startPair } from './pair.ts'

const CHUNK = Buffer.alloc(65_536, 'c')

function isQuiet(pair: Pair): boolean {
  const { upstream, app, outboundConnections } = pair.open()
  return upstream === 0 && app === 0 && outboundConnections === 0
}

for (const isMeshed of [false, true]) {
  const name = isMeshed ? 'meshed' : 'unmeshed'

  test(`clients that go away, ${name}`, async (t) => {
    t.test('HTTP/1, while they wait for an answer', async (t) => {
      let aborted = 0
      const app = await startHttp1((req) => void req.on('close', () => aborted++))
      const pair = await startPair({ appPorts: [app.port], isMeshed })
      t.teardown(() => {
        pair.close()
        app.close()
      })
      const requests = Array.from({ length: 20 }, () => {
        const req = http.get({ host: '127.0.0.1', port: pair.port, agent: false })
        req.on('error', () => {})
        return req
      })
      await until(() => (isMeshed ? pair.open().upstream === 20 : pair.open().outboundConnections === 20))
      await new Promise((resolve) => setTimeout(resolve, 50))
      for (const req of requests) req.destroy()
      await until(() => aborted === 20 && isQuiet(pair))
      t.equal(aborted, 20, 'the application sees each of them go')
    })

    t.test('HTTP/1, in the middle of an upload and of a download', async (t) => {
      let closed = 0
      const app = await startHttp1((req, res) => {
        req.on('error', () => {})
        res.on('close', () => closed++)
        if (req.method === 'POST') return void req.resume()
        const write = (): void => {
          while (res.write(CHUNK));
        }
        res.on('drain', write)
        write()
      })
      const pair = await startPair({ appPorts: [app.port], isMeshed })
      t.teardown(() => {
        pair.close()
        app.close()
      })
      for (const method of ['POST', 'GET']) {
        const socket = await connectTcp(pair.port)
        socket.write(`${method} / HTTP/1.1\r\nHost: a\r\n${method === 'POST' ? 'Content-Length: 1000000\r\n' : ''}\r\n`)
        if (method === 'POST') socket.write(CHUNK)
        else await once(socket, 'data')
        await until(() => !isMeshed || pair.open().upstream === 1)
        await new Promise((resolve) => setTimeout(resolve, 20))
        socket.destroy()
      }
      await until(() => closed === 2 && isQuiet(pair))
      t.pass()
    })

    t.test('HTTP/2, by reset and by closing', async (t) => {
      const codes: (number | undefined)[] = []
      const app = await startHttp2((stream) => {
        stream.on('close', () => codes.push(stream.rstCode))
        stream.respond({ ':status': 200 })
        const write = (): void => {
          while (stream.write(CHUNK));
        }
        stream.on('drain', write)
        write()
      })
      const pair = await startPair({ appPorts: [app.port], isMeshed })
      t.teardown(() => {
        pair.close()
        app.close()
      })
      const session = await connectHttp2(pair.port)
      const streams: http2.ClientHttp2Stream[] = []
      for (let i = 0; i < 20; i++) {
        const stream = session.request({ ':path': '/' })
        stream.on('error', () => {})
        await once(stream, 'data')
        streams.push(stream)
      }
      for (const stream of streams.slice(0, 10)) stream.close(8)
      await until(() => codes.length === 10)
      session.destroy()
      await until(() => codes.length === 20 && isQuiet(pair))
      t.same(new Set(codes), new Set([8]), 'the application sees CANCEL')
    })
  })

  test(`applications that go away, ${name}`, async (t) => {
    t.test('before they answer', async (t) => {
      const app = await startHttp1((req) => void req.socket.destroy())
      const pair = await startPair({ appPorts: [app.port], isMeshed })
      t.teardown(() => {
        pair.close()
        app.close()
      })
      const [answer] = (await once(http.get({ host: '127.0.0.1', port: pair.port }), 'response')) as [
        http.IncomingMessage,
      ]
      t.equal(answer.statusCode, 502)
      answer.resume()
    })

    t.test('in the middle of a response', async (t) => {
      const app = await startHttp1((req, res) => {
        res.writeHead(200, { 'content-length': 1_000_000 })
        res.write(CHUNK)
        setTimeout(() => req.socket.destroy(), 20)
      })
      const pair = await startPair({ appPorts: [app.port], isMeshed })
      t.teardown(() => {
        pair.close()
        app.close()
      })
      const [answer] = (await once(http.get({ host: '127.0.0.1', port: pair.port }), 'response')) as [
        http.IncomingMessage,
      ]
      t.equal(answer.statusCode, 200)
      answer.resume()
      const [error] = await once(answer, 'error')
      t.match(error, { code: 'ECONNRESET' }, 'a response that is cut is not taken for a whole one')
      await until(() => isQuiet(pair))
    })

    t.test('in the middle of a chunked response', async (t) => {
      const app = await startHttp1((req, res) => {
        res.write(CHUNK)
        setTimeout(() => req.socket.destroy(), 20)
      })
      const pair = await startPair({ appPorts: [app.port], isMeshed })
      t.teardown(() => {
        pair.close()
        app.close()
      })
      const [answer] = (await once(http.get({ host: '127.0.0.1', port: pair.port }), 'response')) as [
        http.IncomingMessage,
      ]
      answer.resume()
      await t.rejects(once(answer, 'end'), { code: 'ECONNRESET' })
    })

    t.test('HTTP/2, by reset, with their code', async (t) => {
      const app = await startHttp2((stream, headers) => {
        if (headers[':path'] === '/before') return stream.close(11)
        stream.respond({ ':status': 200 })
        stream.write(CHUNK, () => stream.destroy(new Error('broken')))
      })
      const pair = await startPair({ appPorts: [app.port], isMeshed })
      const session = await connectHttp2(pair.port)
      t.teardown(() => {
        session.destroy()
        pair.close()
        app.close()
      })
      for (const [path, code] of [
        ['/before', 11],
        ['/behind', 2],
      ] as const) {
        const stream = session.request({ ':path': path })
        stream.on('error', () => {})
        stream.resume()
        await until(() => stream.closed)
        t.equal(stream.rstCode, code, path)
      }
      await until(() => pair.open().upstream === 0 && pair.open().app === 0)
    })

    t.test('HTTP/2, by GOAWAY: requests they have not taken go to the next connection', async (t) => {
      let served = 0
      const app = await startHttp2((stream) => {
        served++
        stream.respond({ ':status': 200 })
        stream.end('ok')
        // Every hundredth answer is the last of its connection.
        if (served % 100 === 0) stream.session!.close()
      })
      const pair = await startPair({ appPorts: [app.port], isMeshed })
      const session = await connectHttp2(pair.port)
      t.teardown(() => {
        session.destroy()
        pair.close()
        app.close()
      })
      const get = async (): Promise<number> => {
        const stream = session.request({ ':path': '/' })
        let status = 0
        stream.on('error', () => {})
        stream.on('response', (headers) => {
          status = headers[':status'] ?? 0
        })
        stream.resume()
        await until(() => stream.closed)
        return status
      }
      await get()
      const statuses = await Promise.all(Array.from({ length: 300 }, get))
      t.same(new Set(statuses), new Set([200]), `${statuses.filter((status) => status !== 200).length} failed`)
    })
  })

  test(`a kept-alive connection that the application closes meanwhile, ${name}`, async (t) => {
    const app = await startHttp1((_req, res) => void res.end('ok'))
    app.server.keepAliveTimeout = 1
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    t.teardown(() => {
      agent.destroy()
      pair.close()
      app.close()
    })
    for (let i = 0; i < 50; i++) {
      const req = http.get({ host: '127.0.0.1', port: pair.port, agent })
      const [answer] = (await once(req, 'response')) as [http.IncomingMessage]
      if (answer.statusCode !== 200) t.equal(answer.statusCode, 200, `request ${i}`)
      await readToEnd(answer)
      await new Promise((resolve) => setTimeout(resolve, i % 5))
    }
    t.pass('fifty requests')
  })
}

test('a response that was split by the application answers nobody else', async (t) => {
  const evil = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'
  const app = await startTcp((socket) => {
    socket.on('data', () => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood${evil}`))
  })
  for (const isMeshed of [false, true]) {
    const pair = await startPair({ appPorts: [app.port], isMeshed })
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    for (let i = 0; i < 5; i++) {
      const [answer] = (await once(http.get({ host: '127.0.0.1', port: pair.port, agent }), 'response')) as [
        http.IncomingMessage,
      ]
      t.equal(String(await readToEnd(answer)), 'good')
    }
    agent.destroy()
    pair.close()
  }
  app.close()
})

test('retries replay what was sent, up to 64 KiB', async (t) => {
  let calls = 0
  const sizes: number[] = []
  const app = await startHttp1(async (req, res) => {
    calls++
    let bytes = 0
    for await (const chunk of req) bytes += chunk.length
    sizes.push(bytes)
    res.statusCode = calls % 2 === 1 ? 503 : 200
    res.end('answer')
  })
  const profile: Profile = {
    ...NO_PROFILE,
    name: 'web.shop.svc.cluster.local',
    routes: [
      {
        name: 'all',
        labels: new Map(),
        condition: { kind: 'all', of: [] },
        responseClasses: [],
        isRetryable: true,
        timeoutMs: undefined,
      },
    ],
    budget: { retryRatio: 1, minRetriesPerSecond: 100, ttlMs: 10_000 },
  }
  t.teardown(() => app.close())
  for (const isMeshed of [false, true]) {
    const pair = await startPair({ appPorts: [app.port], isMeshed, profile })
    t.teardown(() => pair.close())
    for (const [bytes, status, expected] of [
      [0, 200, [0, 0]],
      [65_536, 200, [65_536, 65_536]],
      [65_537, 503, [65_537]],
      [500_000, 503, [500_000]],
    ] as const) {
      calls = 0
      sizes.length = 0
      const req = http.request({ host: '127.0.0.1', port: pair.port, method: 'POST', agent: false })
      req.end(Buffer.alloc(bytes))
      const [answer] = (await once(req, 'response')) as [http.IncomingMessage]
      t.equal(answer.statusCode, status, `${bytes} bytes, ${isMeshed ? 'meshed' : 'unmeshed'}`)
      t.same(sizes, expected)
      answer.resume()
    }
  }
})

test('what no HTTP client may say', async (t) => {
  const app = await startHttp1((_req, res) => void res.end())
  const pair = await startPair({ appPorts: [app.port] })
  t.teardown(() => {
    pair.close()
    app.close()
  })
  for (const [name, request, status] of [
    ['two Host fields', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
    ['a space before a colon', 'GET / HTTP/1.1\r\nHost : a\r\n\r\n', 400],
    ['a head of 70 kB', `GET / HTTP/1.1\r\nHost: a\r\nx: ${'y'.repeat(70_000)}\r\n\r\n`, 431],
  ] as const) {
    const socket = net.connect(pair.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(request)
    t.match(String(await readToEnd(socket)), new RegExp(`^HTTP/1.1 ${status} `), name)
  }
})
