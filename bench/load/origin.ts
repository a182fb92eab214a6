/**
 * The application behind the inbound proxy, as cheap as it can be: five ports in one process, each answering every
 * request the same way. `--base PORT` is the first of them.
 */
import { createServer, type Socket } from 'node:net'
import { parseArgs } from 'node:util'
import { H2Endpoint } from './h2-endpoint.ts'

/** Offsets from the base port; cases.ts names them. */
const SMALL_BYTES = 64
const BULK_BYTES = 1_000_000

const HEAD_END = Buffer.from('\r\n\r\n')
const CHUNK_BYTES = 65_536
const ZEROS = Buffer.alloc(CHUNK_BYTES)

const { values } = parseArgs({ options: { base: { type: 'string', default: '8080' } } })
const base = Number(values.base)

const PORTS: readonly ((socket: Socket) => void)[] = [
  (socket) => serveH2(socket, SMALL_BYTES),
  (socket) => serveH1(socket, SMALL_BYTES),
  (socket) => serveH2(socket, BULK_BYTES),
  (socket) => serveH1(socket, BULK_BYTES),
  (socket) => serveTcp(socket, BULK_BYTES),
]

for (const [offset, serve] of PORTS.entries()) {
  createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy())
    serve(socket)
  }).listen(base + offset, () => {
    if (offset === PORTS.length - 1) process.stdout.write('ready\n')
  })
}

function serveH2(socket: Socket, bodyBytes: number): void {
  const head = h2ResponseBlock(bodyBytes)
  const respond = (streamId: number) => {
    endpoint.sendHeaders(streamId, head, false)
    endpoint.sendBody(streamId, bodyBytes)
  }
  const endpoint = new H2Endpoint(socket, 'server', {
    onHeaders(streamId, _buf, _start, _end, endStream) {
      if (endStream) respond(streamId)
    },
    onData(streamId, _bytes, endStream) {
      if (endStream) respond(streamId)
    },
    onReset() {},
  })
  endpoint.output.flush()
}

/** `:status 200` and five fields as literals without indexing and without Huffman code. */
function h2ResponseBlock(bodyBytes: number): Buffer {
  const literal = (name: string, value: string) => {
    const text = (each: string) => Buffer.concat([Buffer.from([each.length]), Buffer.from(each)])
    return Buffer.concat([Buffer.from([0]), text(name), text(value)])
  }
  return Buffer.concat([Buffer.from([0x88]), ...responseFields(bodyBytes).map(([name, value]) => literal(name, value))])
}

function responseFields(bodyBytes: number): [string, string][] {
  return [
    ['content-type', 'application/json'],
    ['content-length', String(bodyBytes)],
    ['date', 'Thu, 01 Jan 2026 00:00:00 GMT'],
    ['server', 'origin'],
    ['vary', 'accept-encoding'],
  ]
}

function serveH1(socket: Socket, bodyBytes: number): void {
  const lines = ['HTTP/1.1 200 OK', ...responseFields(bodyBytes).map(([name, value]) => `${name}: ${value}`)]
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
  const small = Buffer.concat([head, ZEROS.subarray(0, bodyBytes)])
  let rest: Buffer = Buffer.alloc(0)
  let contentLeft = 0
  let toSend = 0
  const send = () => {
    while (toSend > 0) {
      const bytes = Math.min(toSend, CHUNK_BYTES)
      toSend -= bytes
      if (!socket.write(ZEROS.subarray(0, bytes))) return
    }
  }
  const respond = () => {
    if (bodyBytes <= CHUNK_BYTES) return void socket.write(small)
    socket.write(head)
    toSend += bodyBytes
    send()
  }
  socket.on('drain', send)
  socket.on('data', (chunk: Buffer) => {
    let buf = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    rest = Buffer.alloc(0)
    while (buf.length > 0) {
      if (contentLeft > 0) {
        const bytes = Math.min(contentLeft, buf.length)
        contentLeft -= bytes
        buf = buf.subarray(bytes)
        if (contentLeft === 0) respond()
        continue
      }
      const end = buf.indexOf(HEAD_END)
      if (end === -1) {
        rest = buf
        return
      }
      // A GET of the small load has no content; looking at one letter is cheaper than reading its fields.
      const isPost = buf[0] === 0x50
      contentLeft = isPost ? Number(/\r\ncontent-length: *(\d+)/i.exec(buf.toString('latin1', 0, end))?.[1] ?? 0) : 0
      buf = buf.subarray(end + HEAD_END.length)
      if (contentLeft === 0) respond()
    }
  })
}

function serveTcp(socket: Socket, blockBytes: number): void {
  let received = 0
  let toSend = 0
  const send = () => {
    while (toSend > 0) {
      const bytes = Math.min(toSend, CHUNK_BYTES)
      toSend -= bytes
      if (!socket.write(ZEROS.subarray(0, bytes))) return
    }
  }
  socket.on('drain', send)
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length
    while (received >= blockBytes) {
      received -= blockBytes
      toSend += blockBytes
      send()
    }
  })
}
