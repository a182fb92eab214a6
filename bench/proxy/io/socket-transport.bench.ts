/**
 * What a read and the write it causes cost, system calls included: connections inside one process that pass a message
 * to and fro, both ends `SocketTransport`s.
 *
 *   node bench/proxy/io/socket-transport.bench.ts [plain|tls]
 *
 * Prints CPU time per read and write. The best of many short windows: on shared cores everything else is noise upwards.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import type { Transport, TransportHandler } from '../../../proxy/http/transport.ts'
import { SocketTransport } from '../../../proxy/io/socket-transport.ts'
import { createAuthority } from '../../../test/support/authority.ts'

const CONNECTIONS = 16
const MESSAGE_BYTES = 600
const WINDOW_MS = 50
const WARMUP_WINDOWS = 30
const WINDOWS = 100

let reads = 0

class Echo implements TransportHandler {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
    transport.handler = this
  }

  onBytes(buf: Buffer, start: number, end: number): void {
    reads++
    this.send(buf, start, end)
  }

  send(buf: Buffer, start: number, end: number): void {
    const out = this.#transport
    out.ensure(end - start)
    buf.copy(out.buf, out.at, start, end)
    out.at += end - start
    out.flushSoon()
  }

  onEnd(): void {}
  onDrain(): void {}
  onClose(): void {}
}

const kinds = process.argv.length > 2 ? process.argv.slice(2) : ['plain', 'tls']
for (const kind of kinds) console.log(`${kind.padEnd(6)} ${(await measure(kind === 'tls')).toFixed(2)} µs`)
process.exit()

async function measure(isTls: boolean): Promise<number> {
  const { server, dial } = isTls ? await tlsEnds() : plainEnds()
  server.on(isTls ? 'secureConnection' : 'connection', (socket: Socket) => new Echo(new SocketTransport(socket)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  for (let i = 0; i < CONNECTIONS; i++) {
    const echo = new Echo(new SocketTransport(await dial(port)))
    echo.send(Buffer.alloc(MESSAGE_BYTES), 0, MESSAGE_BYTES)
  }
  const costs: number[] = []
  for (let i = 0; i < WARMUP_WINDOWS + WINDOWS; i++) {
    const before = { reads, usage: process.cpuUsage() }
    await new Promise((resolve) => setTimeout(resolve, WINDOW_MS))
    const { user, system } = process.cpuUsage(before.usage)
    if (i >= WARMUP_WINDOWS) costs.push((user + system) / (reads - before.reads))
  }
  return costs.sort((a, b) => a - b)[WINDOWS / 20]!
}

function plainEnds() {
  const dial = async (port: number) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    return socket
  }
  return { server: createServer({ noDelay: true }), dial }
}

async function tlsEnds() {
  const authority = await createAuthority()
  const { certificatePem, privateKeyPem } = await authority.issue('bench')
  const dial = async (port: number) => {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    return socket
  }
  return { server: createTlsServer({ cert: certificatePem, key: privateKeyPem, noDelay: true }), dial }
}
