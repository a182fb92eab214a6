/**
 * First bytes that are not recognised as HTTP but that a lenient application may read as a request. A port with routes
 * refuses them, whichever way they come, for as raw bytes they would pass by every route; a port without forwards them.
 */
import { once } from 'node:events'
import tls from 'node:tls'
import { test } from 'tap'
import { defaultServer, type InboundServer } from '../../../proxy/policy/inbound-policy.ts'
import { compileRoutes } from '../../../proxy/policy/route-match.ts'
import type { Refusal } from '../../../proxy/wire/refusal.ts'
import { encodeTransportHeader } from '../../../proxy/wire/transport-header.ts'
import { connectTcp, readToEnd, startTcp, until } from '../../proxy/apps.ts'
import { IDENTITY, type Pair, startPair } from '../../proxy/pair.ts'

/** Cases that say nothing more wait for it. */
const DETECT_MS = 300
const END = ' HTTP/1.1\r\nHost: web\r\n\r\n'

interface Case {
  readonly name: string
  readonly bytes: string
  /** Without it the client stays open behind its bytes. */
  readonly ends?: true
  readonly reason?: Refusal
}

const CASES: readonly Case[] = [
  { name: 'two spaces before the target', bytes: `GET  /secret${END}` },
  { name: 'many spaces before the target', bytes: `GET${' '.repeat(300)}/secret${END}` },
  { name: 'a tab before the target', bytes: `GET\t/secret${END}` },
  { name: 'two spaces behind the target', bytes: `GET /secret ${END}` },
  { name: 'a space first', bytes: ` GET /secret${END}` },
  { name: 'a bare CR first', bytes: `\rGET /secret${END}` },
  { name: 'two bare CRs first', bytes: `\r\rGET /secret${END}` },
  { name: 'a bare LF first', bytes: `\nGET /secret${END}` },
  { name: 'two empty lines first', bytes: `\r\n\r\nGET /secret${END}` },
  { name: 'NUL first', bytes: `\0GET /secret${END}` },
  { name: 'a byte order mark first', bytes: `\xef\xbb\xbfGET /secret${END}` },
  { name: 'a target without a slash', bytes: `GET secret${END}` },
  { name: 'HTTP/0.9', bytes: 'GET /secret\r\n\r\n' },
  { name: 'a version in lower case', bytes: 'GET /secret http/1.1\r\nHost: web\r\n\r\n' },
  { name: 'HTTP/2.0 on one line', bytes: 'GET /secret HTTP/2.0\r\nHost: web\r\n\r\n' },
  { name: 'a method nobody has', bytes: `${'G'.repeat(30)} /secret${END}` },
  { name: 'a preface in lower case', bytes: 'pri * http/2.0\r\n\r\nsm\r\n\r\n' },
  { name: 'no text', bytes: '\x00\x01\x02\x03' },
  { name: 'a request line that ends early', bytes: 'GET /sec', ends: true },
  { name: 'a request line that stops', bytes: 'GET /sec', reason: 'slow_head' },
  { name: 'silence', bytes: '', reason: 'silent' },
]

const OPEN = defaultServer('all-unauthenticated', false, [], DETECT_MS)
/** Everybody may connect, and every request but that for `/public` is answered 404. */
const withRoutes: InboundServer = {
  ...OPEN,
  protocol: {
    kind: 'detect',
    timeoutMs: DETECT_MS,
    table: compileRoutes([
      {
        meta: {
          group: 'gateway.networking.k8s.io',
          kind: 'HTTPRoute',
          namespace: 'shop',
          name: 'public',
          section: '',
          port: 0,
        },
        hosts: [],
        rules: [
          {
            matches: [
              {
                kind: 'http',
                path: { kind: 'exact', path: '/public' },
                headers: [],
                query: [],
                method: undefined,
              },
            ],
            filters: [],
          },
        ],
        authorizations: OPEN.authorizations,
      },
    ]),
  },
}

type Connect = (pair: Pair, appPort: number) => Promise<tls.TLSSocket | Awaited<ReturnType<typeof connectTcp>>>

const WAYS: readonly { readonly name: string; readonly connect: Connect }[] = [
  { name: 'in clear text', connect: async (pair, appPort) => connectTcp(await pair.openInbound(appPort)) },
  { name: 'in mesh TLS', connect: async (pair, appPort) => connectTls(pair, await pair.openInbound(appPort), []) },
  {
    name: 'behind a transport header that names no protocol',
    async connect(pair, appPort) {
      const socket = await connectTls(pair, pair.inboundPort, ['transport.l5d.io/v1'])
      socket.write(encodeTransportHeader({ port: appPort, sessionProtocol: undefined }))
      return socket
    },
  },
]

async function connectTls(pair: Pair, port: number, protocols: string[]): Promise<tls.TLSSocket> {
  const options = { port, host: '127.0.0.1', servername: IDENTITY, secureContext: pair.context }
  const socket = tls.connect({
    ...options,
    ...(protocols.length === 0 ? {} : { ALPNProtocols: protocols }),
    // The proxy's own check of names is no part of this.
    rejectUnauthorized: false,
  })
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  return socket
}

for (const way of WAYS) {
  test(`first bytes that are not HTTP, ${way.name}`, async (t) => {
    let heard = ''
    const app = await startTcp((socket) => {
      socket.on('data', (data) => {
        heard += data.toString('latin1')
        socket.end('raw')
      })
      socket.on('end', () => socket.end())
    })
    const pair = await startPair({ appPorts: [app.port], detectTimeoutMs: DETECT_MS })
    t.teardown(() => {
      pair.close()
      app.close()
    })
    const say = async ({ bytes, ends }: Case): Promise<string> => {
      heard = ''
      const socket = await way.connect(pair, app.port)
      if (bytes !== '') socket.write(bytes, 'latin1')
      if (ends === true) socket.end()
      const answer = String(await readToEnd(socket))
      socket.destroy()
      return answer
    }
    pair.setServer(withRoutes)
    for (const one of CASES) {
      const before = pair.counts.inboundRefusals.length
      t.equal(await say(one), '', `${one.name}: closed without a word`)
      t.equal(heard, '', 'and the application hears nothing')
      t.same(pair.counts.inboundRefusals.slice(before), [one.reason ?? 'not_http'], 'and it is counted')
    }
    pair.setServer(OPEN)
    for (const one of CASES.filter(({ bytes }) => bytes !== '')) {
      t.equal(await say(one), 'raw', `${one.name}: forwarded where no route is passed by`)
      t.equal(heard, one.bytes, 'as it came')
    }
  })
}

test('a client whose proxy named no protocol is served by the routes when it speaks HTTP', async (t) => {
  const app = await startTcp((socket) => {
    socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nweb!'))
  })
  const pair = await startPair({ appPorts: [app.port], detectTimeoutMs: DETECT_MS })
  t.teardown(() => {
    pair.close()
    app.close()
  })
  pair.setServer(withRoutes)
  const connect = WAYS.at(-1)!.connect
  for (const [path, answer] of [
    ['/public', /^HTTP\/1\.1 200 OK\r\n.*web!$/s],
    ['/secret', /^HTTP\/1\.1 404 /],
  ] as const) {
    const socket = await connect(pair, app.port)
    socket.write(`GET ${path} HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n`)
    t.match(String(await readToEnd(socket)), answer, path)
    socket.destroy()
  }
})

test('TLS of the application does not pass by routes either', async (t) => {
  let heard = 0
  const app = await startTcp((socket) => {
    socket.on('data', (data) => {
      heard += data.length
    })
  })
  const pair = await startPair({ appPorts: [app.port], detectTimeoutMs: DETECT_MS })
  t.teardown(() => {
    pair.close()
    app.close()
  })
  const http2 = { ...OPEN, protocol: { kind: 'http2', table: compileRoutes([]) } } as const
  for (const server of [withRoutes, http2]) {
    pair.setServer(server)
    const socket = tls.connect({
      port: await pair.openInbound(app.port),
      host: '127.0.0.1',
      servername: 'app.example',
      rejectUnauthorized: false,
    })
    await new Promise((resolve) => socket.on('error', () => {}).on('close', resolve))
    t.equal(heard, 0, `${server.protocol.kind}: the application hears nothing`)
  }
  t.same(pair.counts.inboundRefusals, ['not_http', 'not_http'])
})

test('an open connection of raw bytes ends when its port gets routes', async (t) => {
  const app = await startTcp((socket) => socket.pipe(socket))
  const pair = await startPair({ appPorts: [app.port], detectTimeoutMs: DETECT_MS })
  t.teardown(() => {
    pair.close()
    app.close()
  })
  const socket = await connectTcp(await pair.openInbound(app.port))
  socket.write('\x00raw')
  const [echo] = await once(socket, 'data')
  t.equal(String(echo), '\x00raw')
  pair.setServer({ ...OPEN })
  socket.write('more')
  t.equal(String((await once(socket, 'data'))[0]), 'more', 'another policy that is not about HTTP changes nothing')
  pair.setServer(withRoutes)
  t.equal(String(await readToEnd(socket)), '')
  socket.end()
  await until(() => pair.open().inboundConnections === 0)
})
