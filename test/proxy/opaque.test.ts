import { once } from 'node:events'
import tls from 'node:tls'
import { test } from 'tap'
import { TestAuthority } from '../../proxy/io/test-authority.ts'
import { defaultServer, type InboundServer } from '../../proxy/policy/inbound-policy.ts'
import { NO_PROFILE } from '../../proxy/policy/profile.ts'
import { type App, connectTcp, readToEnd, startTcp, until } from './apps.ts'
import { IDENTITY, type Pair, startPair } from './pair.ts'

const LARGE_BYTES = 20_000_000

async function opaque(app: App, isMeshed: boolean): Promise<Pair> {
  return startPair({ appPorts: [app.port], isMeshed, isOpaque: true, profile: { ...NO_PROFILE, isOpaque: true } })
}

for (const isMeshed of [false, true]) {
  test(`raw bytes through ${isMeshed ? 'a meshed' : 'an unmeshed'} pair`, async (t) => {
    t.test('a server that speaks first', async (t) => {
      const app = await startTcp((socket) => {
        socket.write('220 welcome\r\n')
        socket.on('data', (data) => socket.end(`you said ${data}`))
      })
      const pair = await opaque(app, isMeshed)
      t.teardown(() => {
        pair.close()
        app.close()
      })
      const socket = await connectTcp(pair.port)
      const [greeting] = await once(socket, 'data')
      t.equal(String(greeting), '220 welcome\r\n')
      socket.write('QUIT')
      t.equal(String(await readToEnd(socket)), 'you said QUIT')
      socket.end()
      await until(() => pair.open().outboundConnections === 0)
    })

    t.test('a client that ends its half still hears the answer', async (t) => {
      let heard = 0
      const app = await startTcp((socket) => {
        socket.on('data', (data) => {
          heard += data.length
        })
        socket.on('end', () => socket.end(`heard ${heard}`))
      })
      const pair = await opaque(app, isMeshed)
      t.teardown(() => {
        pair.close()
        app.close()
      })
      const socket = await connectTcp(pair.port)
      socket.end(Buffer.alloc(LARGE_BYTES))
      t.equal(String(await readToEnd(socket)), `heard ${LARGE_BYTES}`)
      await until(() => pair.open().outboundConnections === 0)
    })

    t.test('a server that ends its half still hears the client', async (t) => {
      let answer = ''
      const app = await startTcp((socket) => {
        socket.end('no more from me')
        socket.on('data', (data) => {
          answer += data
        })
      })
      const pair = await opaque(app, isMeshed)
      t.teardown(() => {
        pair.close()
        app.close()
      })
      const socket = await connectTcp(pair.port)
      t.equal(String(await readToEnd(socket)), 'no more from me')
      socket.end('but from me')
      await until(() => answer === 'but from me')
      t.equal(answer, 'but from me')
      await until(() => pair.open().outboundConnections === 0)
    })

    t.test('a reader that stalls stops its writer', async (t) => {
      let written = 0
      const app = await startTcp((socket) => {
        const chunk = Buffer.alloc(65_536)
        const write = (): void => {
          while (written < 200_000_000 && socket.write(chunk)) written += chunk.length
        }
        socket.on('drain', write)
        write()
      })
      const pair = await opaque(app, isMeshed)
      t.teardown(() => {
        pair.close()
        app.close()
      })
      const socket = await connectTcp(pair.port)
      socket.pause()
      let before = -1
      while (before !== written) {
        before = written
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      t.ok(written < 60_000_000, `${written} bytes fill the kernels of three connections and no more`)
      socket.destroy()
      await until(() => pair.open().outboundConnections === 0)
    })

    t.test('a connection that breaks on one side ends on the other', async (t) => {
      const closed: Promise<unknown>[] = []
      const app = await startTcp((socket) => {
        socket.write('hello')
        socket.resume()
        socket.on('end', () => socket.end())
        closed.push(once(socket, 'close'))
      })
      const pair = await opaque(app, isMeshed)
      t.teardown(() => {
        pair.close()
        app.close()
      })
      const socket = await connectTcp(pair.port)
      await once(socket, 'data')
      socket.resetAndDestroy()
      await Promise.all(closed)
      await until(() => pair.open().outboundConnections === 0)
      t.pass()
    })
  })
}

test('later connections resume the first one, and are authorised by its identity', async (t) => {
  const app = await startTcp((socket) => socket.pipe(socket))
  const pair = await opaque(app, true)
  t.teardown(() => {
    pair.close()
    app.close()
  })
  const onlyFor = (identity: string): InboundServer => {
    const server = defaultServer('all-authenticated', true, [], 10_000)
    const authentication = { kind: 'meshTls', identities: new Set([identity]), suffixes: [] } as const
    return { ...server, authorizations: server.authorizations.map((each) => ({ ...each, authentication })) }
  }
  const answer = async (): Promise<string> => {
    const socket = await connectTcp(pair.port)
    socket.end('hello')
    return String(await readToEnd(socket))
  }
  pair.setServer(onlyFor(IDENTITY))
  const kept = t.capture(pair.resumption, 'keep', pair.resumption.keep.bind(pair.resumption))
  for (let connection = 0; connection < 3; connection++) t.equal(await answer(), 'hello')
  t.equal(kept().length, 1, 'another full handshake would have brought another ticket')
  pair.setServer(onlyFor('cart.shop.serviceaccount.identity.linkerd.cluster.local'))
  t.equal(await answer(), '', 'what policy says now counts')
})

test('TLS of the application passes through undisturbed', async (t) => {
  const authority = await TestAuthority.root()
  const issued = await authority.issue('app.example')
  const server = tls.createServer({ key: issued.keyPem, cert: issued.chainPem }, (socket) => socket.pipe(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  t.teardown(() => server.close())
  for (const isMeshed of [false, true]) {
    const pair = await startPair({ appPorts: [port], isMeshed })
    t.teardown(() => pair.close())
    const direct = await pair.openInbound(port)
    for (const [way, through] of [
      ['through both proxies', pair.port],
      ['to the inbound proxy alone', direct],
    ] as const) {
      const socket = tls.connect({ port: through, host: '127.0.0.1', ca: authority.pem, servername: 'app.example' })
      await once(socket, 'secureConnect')
      socket.write('secret')
      const [echo] = await once(socket, 'data')
      t.equal(String(echo), 'secret', `${isMeshed ? 'meshed' : 'unmeshed'}, ${way}`)
      t.equal(socket.getPeerCertificate().subjectaltname, 'DNS:app.example', 'the certificate is the application’s')
      socket.destroy()
    }
  }
})
