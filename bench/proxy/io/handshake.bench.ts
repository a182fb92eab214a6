/**
 * What one handshake costs each side, in CPU time: connect, handshake, one byte there and back, close.
 *
 *   node bench/proxy/io/handshake.bench.ts [CASE...] [--connections N] [--rounds N]
 *
 * Client and server are two processes, so that each counts its own. The cases take turns in rounds; figures are lower
 * quartiles of the rounds. `tcp` is the same without TLS (what a connection costs anyway), `stock` is node:tls as its documentation
 * shows it, with the same certificates. `tickets` is a full handshake with a server that gives tickets, `resumed` uses them.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { connect as connectTls, createSecureContext, createServer as createTlsServer } from 'node:tls'
import { parseArgs } from 'node:util'
import { connectTcp } from '../../../proxy/io/connect.ts'
import { Resumption } from '../../../proxy/io/resumption.ts'
import { sniff } from '../../../proxy/io/sniff.ts'
import { TestAuthority } from '../../../proxy/io/test-authority.ts'
import { REAL_TIMERS } from '../../../proxy/io/timers.ts'
import { connectMeshTls, MeshTlsServer, makeSecureContext } from '../../../proxy/io/tls.ts'
import { readClientHello } from '../../../proxy/wire/client-hello.ts'

const SERVER = 'web.shop.serviceaccount.identity.linkerd.cluster.local'
const CLIENT = 'cart.shop.serviceaccount.identity.linkerd.cluster.local'
const PARALLEL = 8

interface Credentials {
  readonly anchors: string
  readonly server: { readonly key: string; readonly chain: string }
  readonly client: { readonly key: string; readonly chain: string }
}

interface Case {
  listen(credentials: Credentials): Server
  /** Connects again and again: each call one connection that got its byte back and is gone. */
  dialler(credentials: Credentials, port: number): (done: (error?: unknown) => void) => void
}

// ── Cases ──

function echo(socket: Socket): void {
  socket.on('error', () => {})
  socket.on('data', (data) => socket.write(data))
  socket.on('end', () => socket.end())
}

function ask(socket: Socket, done: (error?: unknown) => void): void {
  socket.on('error', done)
  socket.once('data', () => {
    socket.destroy()
    done()
  })
  socket.write('x')
}

const tcp: Case = {
  listen: () => createServer({ noDelay: true }, echo),
  dialler: (_credentials, port) => (done) =>
    connectTcp({
      ip: '127.0.0.1',
      port,
      timeoutMs: 10_000,
      allowLoopback: true,
      onConnected: (socket) => ask(socket, done),
      onFailed: done,
    }),
}

const mesh = (givesTickets: boolean, resumption?: Resumption): Case => ({
  listen({ server, anchors }) {
    const tls = new MeshTlsServer({ localName: SERVER, withAlpn: false, timers: REAL_TIMERS })
    const parts = { key: server.key, chainPem: server.chain, trustAnchorsPem: anchors }
    tls.setContext(makeSecureContext({ ...parts, givesTickets }))
    // As the inbound listener: the first bytes are looked at before it is known that this is TLS for us.
    return createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {})
      sniff(
        socket,
        10_000,
        (buf) => {
          const hello = readClientHello(buf, 0, buf.length)
          return hello.kind === 'partial' ? undefined : hello
        },
        () =>
          tls.accept(
            socket,
            undefined,
            (secure, peer) => {
              if (peer.kind !== 'meshTls' || peer.identity !== CLIENT) throw new Error('no identity')
              echo(secure)
            },
            (error) => {
              throw error
            },
          ),
      )
    })
  },
  dialler({ client, anchors }, port) {
    const context = makeSecureContext({ key: client.key, chainPem: client.chain, trustAnchorsPem: anchors })
    return (done) =>
      connectMeshTls({
        ip: '127.0.0.1',
        port,
        timeoutMs: 10_000,
        allowLoopback: true,
        serverName: SERVER,
        identity: { kind: 'dns', name: SERVER },
        context,
        alpn: false,
        resumption,
        onConnected: (socket) => ask(socket, done),
        onFailed: done,
      })
  },
})

const stock: Case = {
  listen: ({ server, anchors }) =>
    createTlsServer(
      { key: server.key, cert: server.chain, ca: anchors, requestCert: true, noDelay: true },
      (socket) => {
        if (socket.getPeerX509Certificate()?.subjectAltName !== `DNS:${CLIENT}`) throw new Error('no identity')
        echo(socket)
      },
    ),
  dialler({ client, anchors }, port) {
    const secureContext = createSecureContext({ key: client.key, cert: client.chain, ca: anchors })
    return (done) => {
      const socket = connectTls({ host: '127.0.0.1', port, secureContext, servername: SERVER })
      socket.setNoDelay(true)
      socket.on('error', done)
      socket.once('secureConnect', () => {
        socket.off('error', done)
        ask(socket, done)
      })
    }
  },
}

const CASES = new Map<string, Case>([
  ['tcp', tcp],
  ['stock', stock],
  ['mesh', mesh(false)],
  ['tickets', mesh(true)],
  ['resumed', mesh(true, new Resumption(Date.now))],
])

// ── The two processes ──

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    connections: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '30' },
    role: { type: 'string', default: 'client' },
  },
})
if (values.role === 'server') serve()
else await main()

function serve(): void {
  const send = (message: object): void => void process.send!(message)
  process.on('message', async (message: { credentials?: Credentials }) => {
    if (message.credentials === undefined) return send(process.cpuUsage())
    const ports: Record<string, number> = {}
    for (const [name, { listen }] of CASES) {
      const server = listen(message.credentials)
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      ports[name] = (server.address() as AddressInfo).port
    }
    send(ports)
  })
  process.on('disconnect', () => process.exit())
}

async function asked<T>(server: ChildProcess, message: object): Promise<T> {
  server.send(message)
  const [answer] = await once(server, 'message')
  return answer as T
}

function micros({ user, system }: NodeJS.CpuUsage): number {
  return user + system
}

async function main(): Promise<void> {
  const root = await TestAuthority.root()
  const issuer = await root.intermediate()
  const [server, client] = [await issuer.issue(SERVER), await issuer.issue(CLIENT)]
  const credentials: Credentials = {
    anchors: root.pem,
    server: { key: server.keyPem, chain: server.chainPem },
    client: { key: client.keyPem, chain: client.chainPem },
  }
  const child = fork(import.meta.filename, ['--role', 'server'])
  const ports = await asked<Record<string, number>>(child, { credentials })
  const names = positionals.length > 0 ? positionals : [...CASES.keys()]
  const dial = new Map(names.map((name) => [name, CASES.get(name)!.dialler(credentials, ports[name]!)]))
  const connections = Number(values.connections)
  const rows = new Map(names.map((name) => [name, { client: [] as number[], server: [] as number[] }]))

  for (let round = -3; round < Number(values.rounds); round++) {
    for (const name of names) {
      const serverBefore = micros(await asked(child, {}))
      const before = micros(process.cpuUsage())
      await repeat(dial.get(name)!, connections)
      const clientCpu = micros(process.cpuUsage()) - before
      // What the server has still to do for the last connections is its own.
      await new Promise((resolve) => setTimeout(resolve, 50))
      const serverCpu = micros(await asked(child, {})) - serverBefore
      // The first rounds warm up.
      if (round < 0) continue
      const row = rows.get(name)!
      row.client.push(clientCpu / connections)
      row.server.push(serverCpu / connections)
    }
  }
  child.disconnect()
  console.log('case'.padEnd(12), 'client µs'.padStart(10), 'server µs'.padStart(10))
  for (const [name, row] of rows) {
    console.log(
      name.padEnd(12),
      quartile(row.client).toFixed(0).padStart(10),
      quartile(row.server).toFixed(0).padStart(10),
    )
  }
}

/** Makes `count` connections, `PARALLEL` at a time. */
function repeat(dial: (done: (error?: unknown) => void) => void, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let started = 0
    let finished = 0
    const next = (): void => {
      if (started === count) return
      started++
      dial((error) => {
        if (error !== undefined) return reject(error instanceof Error ? error : new Error(JSON.stringify(error)))
        if (++finished === count) resolve()
        else next()
      })
    }
    for (let at = 0; at < PARALLEL; at++) next()
  })
}

/** The lower quartile: what else runs on the machine only ever adds. */
function quartile(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[sorted.length >> 2]!
}
