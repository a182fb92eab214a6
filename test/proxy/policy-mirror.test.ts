/** Copies of requests: what the other backend gets of them, and that the original never feels it. */
import { once } from 'node:events'
import http from 'node:http'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import type { Filter } from '../../proxy/policy/filter.ts'
import type { HttpRule } from '../../proxy/policy/outbound-policy.ts'
import { type App, connectHttp2, startHttp1, startHttp2, startTcp, until } from './apps.ts'
import { type Pair, startPair } from './pair.ts'
import { backend, byPrefix, policyOf, retries, rule } from './policies.ts'

type Cleanup = { teardown(end: () => void): void }

function mirror(ratio = 1): Filter {
  return { kind: 'mirror', backend: backend('copies').backend, ratio }
}

interface Options {
  readonly rule?: Partial<HttpRule>
  readonly isMeshed?: boolean
}

async function pairOf(
  t: Cleanup,
  app: App,
  copies: App,
  { rule: parts, isMeshed = true }: Options = {},
): Promise<Pair> {
  const pair = await startPair({
    appPorts: [app.port],
    backendPorts: { 'copies:80': [copies.port] },
    isMeshed,
    policy: policyOf(rule({ matches: [byPrefix('')], filters: [mirror()], ...parts })),
  })
  t.teardown(() => {
    pair.close()
    app.close()
    copies.close()
  })
  return pair
}

async function textOf(from: Readable): Promise<string> {
  let text = ''
  for await (const chunk of from) text += chunk
  return text
}

async function post(port: number, content: string | Buffer, path = '/'): Promise<{ status: number; text: string }> {
  const request = http.request({ host: '127.0.0.1', port, path, method: 'POST', agent: false })
  request.end(content)
  const [answer] = (await once(request, 'response')) as [http.IncomingMessage]
  return { status: answer.statusCode!, text: await textOf(answer) }
}

for (const isMeshed of [true, false]) {
  test(`head, content and trailers are copied, ${isMeshed ? 'meshed' : 'unmeshed'}`, async (t) => {
    t.test('HTTP/1', async (t) => {
      const seen: string[] = []
      const app = await startHttp1(async (req, res) => void res.end(`app got ${await textOf(req)}`))
      const copies = await startHttp1(async (req, res) => {
        seen.push(`${req.method} ${req.url} ${req.headers['x-by']} ${await textOf(req)}`)
        res.writeHead(500).end('nobody reads this')
      })
      const edits = { add: [{ name: 'x-by', value: 'r' }], set: [], remove: [] }
      const pair = await pairOf(t, app, copies, {
        isMeshed,
        rule: { filters: [{ kind: 'requestHeaders', edits }, mirror()] },
      })
      // A connection takes a moment: the first requests may find none that is ready.
      for (let i = 0; seen.length === 0; i++) {
        t.same(await post(pair.port, `content ${i}`, '/a?b'), { status: 200, text: `app got content ${i}` })
        await sleep(5)
      }
      t.match(seen[0], /^POST \/a\?b r content \d+$/, 'as the filters of the rule left it')
      await until(() => pair.counts.mirrors.includes('answered'))
    })

    t.test('HTTP/2, in pieces, with trailers', async (t) => {
      const seen: string[] = []
      const app = await startHttp2((stream) => {
        stream.resume().on('end', () => stream.respond({ ':status': 200 }, { endStream: true }))
      })
      const copies = await startHttp2(async (stream, headers) => {
        let trailer: unknown
        stream.on('trailers', (trailers) => {
          trailer = trailers['x-sum']
        })
        seen.push(`${headers['content-type']} ${await textOf(stream)} ${trailer}`)
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
        stream.end('ignored')
      })
      const pair = await pairOf(t, app, copies, { isMeshed })
      const session = await connectHttp2(pair.port)
      while (seen.length === 0) {
        const stream = session.request(
          { ':path': '/a.B/C', ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' },
          { waitForTrailers: true },
        )
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '7' }))
        stream.write('one ')
        await sleep(5)
        stream.end('two')
        const [answer] = await once(stream, 'response')
        t.equal(answer[':status'], 200)
        stream.resume()
        await once(stream, 'close')
      }
      t.equal(seen[0], 'application/grpc one two 7')
      await until(() => pair.counts.mirrors.includes('answered'))
      session.close()
    })
  })
}

test('what happens to a copy is nothing to the original', async (t) => {
  const echo = () => startHttp1((req, res) => void req.resume().on('end', () => res.end('ok')))
  t.test('it fails', async (t) => {
    const pair = await pairOf(t, await echo(), await startHttp1((req) => void req.socket.destroy()), {
      isMeshed: false,
    })
    t.same(await post(pair.port, 'x'), { status: 200, text: 'ok' })
    await until(() => pair.counts.mirrors.length > 0)
    t.same(pair.counts.mirrors, ['failed'])
  })

  t.test('there is no endpoint', async (t) => {
    const app = await echo()
    const pair = await startPair({
      appPorts: [app.port],
      backendPorts: { 'copies:80': [] },
      policy: policyOf(rule({ filters: [mirror()] })),
    })
    t.teardown(() => {
      pair.close()
      app.close()
    })
    t.equal((await post(pair.port, 'x')).status, 200)
    t.same(pair.counts.mirrors, ['no_endpoint'])
  })

  t.test('it never answers, nor reads: an upload of 20 MB goes through, and the copy ends', async (t) => {
    const pair = await pairOf(t, await echo(), await startTcp((socket) => void socket.pause()), { isMeshed: false })
    t.same(await post(pair.port, Buffer.alloc(20_000_000)), { status: 200, text: 'ok' })
    t.same(pair.counts.mirrors, ['too_much'])
  })

  t.test('it is not repeated when the original is', async (t) => {
    let requests = 0
    let copied = 0
    const app = await startHttp1((req, res) => {
      req.resume().on('end', () => res.writeHead(++requests % 3 === 0 ? 200 : 503).end())
    })
    const copies = await startHttp1((req, res) => {
      copied++
      req.resume().on('end', () => res.end())
    })
    const retry = retries({ statuses: [{ min: 503, max: 503 }] })
    const pair = await pairOf(t, app, copies, { isMeshed: false, rule: { retry } })
    t.equal((await post(pair.port, 'x')).status, 200)
    await until(() => pair.counts.mirrors.length === 1)
    t.same([requests, copied], [3, 1])
  })

  t.test('its client goes away in the middle of a request', async (t) => {
    let aborted = 0
    const copies = await startHttp1((req) => void req.on('error', () => {}).on('close', () => aborted++))
    const pair = await pairOf(t, await startHttp1((req) => void req.on('error', () => {}).resume()), copies, {
      isMeshed: false,
    })
    const request = http.request({ host: '127.0.0.1', port: pair.port, method: 'POST', agent: false })
    request.on('error', () => {})
    request.write('begun')
    await until(() => pair.counts.attempts === 1)
    await sleep(50)
    request.destroy()
    await until(() => aborted === 1)
    t.same(pair.counts.mirrors, ['given_up'])
  })

  t.test('a half is about a half', async (t) => {
    let copied = 0
    const copies = await startHttp1((_req, res) => {
      copied++
      res.end()
    })
    const pair = await pairOf(t, await echo(), copies, { isMeshed: false, rule: { filters: [mirror(0.5), mirror(0)] } })
    for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 40 }, () => post(pair.port, 'x')))
    await until(() => pair.counts.mirrors.length === copied)
    t.ok(copied > 140 && copied < 260, `${copied} of 400`)
  })
})
