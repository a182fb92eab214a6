/**
 * Private memory of idle connections: what each of some thousands costs that were opened, used for one request and left
 * alone.
 *
 *   node bench/proxy/io/connection-memory.bench.ts [KIND...] [--connections N]
 *
 * Server and client are two processes, started as a sidecar is, on the transports and engines of the proxy. Private memory
 * is that of smaps_rollup after the proxy's own `giveBackMemory`, with N connections more than the 1,000 that come first:
 * what is loaded and compiled once does not count. `heap` is the part of it in V8's heap.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { parseArgs } from 'node:util'
import { DEFAULT_HTTP2 } from '../../../proxy/http/http2-config.ts'
import { Http2Connection } from '../../../proxy/http/http2-connection.ts'
import { serveHttp } from '../../../proxy/http/serve.ts'
import type { ClientStream, RequestHandler, ResponseHandler } from '../../../proxy/http/stream.ts'
import { connectTcp } from '../../../proxy/io/connect.ts'
import { giveBackMemory } from '../../../proxy/io/idle-memory.ts'
import { sniff } from '../../../proxy/io/sniff.ts'
import { SocketTransport } from '../../../proxy/io/socket-transport.ts'
import { TestAuthority } from '../../../proxy/io/test-authority.ts'
import { REAL_TIMERS } from '../../../proxy/io/timers.ts'
import { connectMeshTls, MeshTlsServer, makeSecureContext } from '../../../proxy/io/tls.ts'
import { NODE_FLAGS } from '../../../proxy/node-flags.ts'
import { readClientHello } from '../../../proxy/wire/client-hello.ts'
import { Head } from '../../../proxy/wire/head.ts'
import { privateBytesOfTree } from '../../process-stat.ts'

const SERVER = 'web.shop.serviceaccount.identity.linkerd.cluster.local'
const CLIENT = 'cart.shop.serviceaccount.identity.linkerd.cluster.local'
const FIRST = 1_000

const KINDS = ['tcp', 'http1', 'http2', 'tls'] as const
type Kind = (typeof KINDS)[number]

interface Start {
  readonly kind: Kind
  readonly anchors: string
  readonly key: string
  readonly chain: string
  readonly port?: number
}
type Command = Start | { readonly open: number } | 'settle'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { connections: { type: 'string', default: '5000' }, role: { type: 'string', default: 'main' } },
})
if (values.role === 'main') await main()
else if (values.role === 'server') onCommands(startServer)
else onCommands(startClient)

// ── The measured processes ──

function onCommands(start: (command: Start) => Promise<{ port: number; open?: () => Promise<void> }>): void {
  let open: (() => Promise<void>) | undefined
  process.on('message', async (command: Command) => {
    if (command === 'settle') {
      giveBackMemory(true)
      setTimeout(() => process.send!({ heap: process.memoryUsage().heapUsed }), 1_500)
    } else if ('open' in command) {
      for (let at = 0; at < command.open; at += 50) await Promise.all(Array.from({ length: 50 }, () => open!()))
      process.send!({})
    } else {
      const started = await start(command)
      open = started.open
      process.send!({ port: started.port })
    }
  })
  process.on('disconnect', () => process.exit())
}

/** Everything open stays reachable, as the owners in the proxy keep what they serve. */
const held: unknown[] = []

function nothing(): void {}
const OWNER = { onDraining: nothing, onCapacity: nothing, onRefused: nothing, onClosed: nothing }
const IGNORE: RequestHandler & ResponseHandler = {
  onRequestData: nothing,
  onRequestTrailers: nothing,
  onRequestReset: nothing,
  onResponseSent: nothing,
  onInformational: nothing,
  onResponseHead: nothing,
  onResponseData: nothing,
  onResponseTrailers: nothing,
  onResponseReset: nothing,
  onRequestSent: nothing,
}

async function startServer({ kind, anchors, key, chain }: Start): Promise<{ port: number }> {
  const answer = new Head()
  answer.add(':status', '204')
  const serve = (socket: Socket): void => {
    const transport = new SocketTransport(socket)
    const config = { http2: DEFAULT_HTTP2, maxHeadBytes: 65_536 }
    const onRequest = (_head: Head, _end: boolean, stream: { sendHead(head: Head, end: boolean): void }) => {
      stream.sendHead(answer, true)
      return IGNORE
    }
    held.push(serveHttp(transport, kind !== 'http1', onRequest, config, OWNER))
  }
  const tls = new MeshTlsServer({ localName: SERVER, withAlpn: false, timers: REAL_TIMERS })
  tls.setContext(makeSecureContext({ key, chainPem: chain, trustAnchorsPem: anchors }))
  const listener = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    socket.on('error', nothing)
    if (kind === 'tcp') {
      held.push(socket)
      socket.on('data', (data) => socket.write(data))
    } else if (kind !== 'tls') serve(socket)
    else {
      const decide = (buf: Buffer) => {
        const hello = readClientHello(buf, 0, buf.length)
        return hello.kind === 'partial' ? undefined : hello
      }
      sniff(socket, 10_000, decide, () =>
        tls.accept(socket, undefined, serve, (error) => {
          throw error
        }),
      )
    }
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  return { port: (listener.address() as AddressInfo).port }
}

async function startClient({ kind, anchors, key, chain, port = 0 }: Start) {
  const context = makeSecureContext({ key, chainPem: chain, trustAnchorsPem: anchors })
  const target = { ip: '127.0.0.1', port, timeoutMs: 30_000, allowLoopback: true }
  const request = new Head()
  for (const [name, value] of [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'web.shop'],
  ] as const)
    request.add(name, value)
  const open = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const onFailed = (error: unknown): void => reject(new Error(JSON.stringify(error)))
      const onConnected = (socket: Socket): void => {
        if (kind === 'tcp' || kind === 'http1') {
          held.push(socket)
          socket.once('data', () => resolve())
          socket.write('GET / HTTP/1.1\r\nhost: web.shop\r\n\r\n')
          return
        }
        const onReady = (): void => {
          const stream: ClientStream = connection.openStream()
          stream.handler = { ...IGNORE, onResponseHead: () => resolve() }
          stream.sendHead(request, true)
        }
        const owner = { ...OWNER, onReady }
        const connection = new Http2Connection(new SocketTransport(socket), DEFAULT_HTTP2, owner)
        held.push(connection)
      }
      if (kind !== 'tls') connectTcp({ ...target, onConnected, onFailed })
      else {
        const identity = { kind: 'dns', name: SERVER } as const
        connectMeshTls({ ...target, serverName: SERVER, identity, context, alpn: false, onConnected, onFailed })
      }
    })
  return { port, open }
}

// ── The measurement ──

async function ask<T>(child: ChildProcess, command: Command): Promise<T> {
  child.send(command)
  const [answer] = await once(child, 'message')
  return answer as T
}

async function memoryOf(child: ChildProcess): Promise<{ total: number; heap: number }> {
  await ask(child, 'settle')
  const { heap } = await ask<{ heap: number }>(child, 'settle')
  return { total: privateBytesOfTree(child.pid!), heap }
}

async function main(): Promise<void> {
  const root = await TestAuthority.root()
  const issuer = await root.intermediate()
  const [server, client] = [await issuer.issue(SERVER), await issuer.issue(CLIENT)]
  const connections = Number(values.connections)
  console.log('kind'.padEnd(8), ...['server KB', '(heap)', 'client KB', '(heap)'].map((text) => text.padStart(10)))
  for (const kind of positionals.length > 0 ? (positionals as Kind[]) : KINDS) {
    const start = (role: 'server' | 'client'): ChildProcess =>
      fork(import.meta.filename, ['--role', role], { execArgv: [...NODE_FLAGS] })
    const children = [start('server'), start('client')] as const
    const { port } = await ask<{ port: number }>(children[0], {
      kind,
      anchors: root.pem,
      key: server.keyPem,
      chain: server.chainPem,
    })
    await ask(children[1], { kind, anchors: root.pem, key: client.keyPem, chain: client.chainPem, port })
    await ask(children[1], { open: FIRST })
    const before = await Promise.all(children.map(memoryOf))
    await ask(children[1], { open: connections })
    const after = await Promise.all(children.map(memoryOf))
    const each = [0, 1].flatMap((at) => [after[at]!.total - before[at]!.total, after[at]!.heap - before[at]!.heap])
    console.log(kind.padEnd(8), ...each.map((bytes) => (bytes / connections / 1_000).toFixed(1).padStart(10)))
    for (const child of children) child.disconnect()
  }
}
