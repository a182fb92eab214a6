/** The applications behind the inbound proxy, as cheap as they can be: one process for all ports of origin-ports.ts. */
import { createServer, type Socket } from 'node:net'
import { ALL_ORIGINS, type Origin } from '../origin-ports.ts'
import { H2Endpoint } from './h2-endpoint.ts'
import { grpcMessage } from './request.ts'

const HEAD_END = Buffer.from('\r\n\r\n')
const CHUNK_BYTES = 65_536
const ZEROS = Buffer.alloc(CHUNK_BYTES)

await Promise.all(ALL_ORIGINS.map(listen))
process.stdout.write('ready\n')

function listen(origin: Origin): Promise<void> {
  const server = createServer({ noDelay: true, highWaterMark: CHUNK_BYTES }, (socket) => {
    socket.on('error', () => socket.destroy())
    serve(origin, socket)
  })
  return new Promise((resolve) => server.listen({ port: origin.port, backlog: 4_096 }, resolve))
}

function serve({ kind, bodyBytes }: Origin, socket: Socket): void {
  switch (kind) {
    case 'h1':
      return serveH1(socket, bodyBytes)
    case 'h2':
      return serveH2(socket, bodyBytes)
    case 'grpc':
      return serveGrpc(socket, bodyBytes)
    case 'block':
      return serveBlocks(socket, bodyBytes)
    case 'echo':
      return void socket.on('data', (chunk) => socket.write(chunk))
  }
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

/** Every message comes back; the call ends when the client has ended its side. */
function serveGrpc(socket: Socket, messageBytes: number): void {
  const head = h2Block([
    ['content-type', 'application/grpc+proto'],
    ['grpc-accept-encoding', 'identity,deflate,gzip'],
    ['date', 'Thu, 01 Jan 2026 00:00:00 GMT'],
  ])
  const trailers = h2Literals([
    ['grpc-status', '0'],
    ['grpc-message', 'OK'],
  ])
  const message = grpcMessage(messageBytes)
  /** Bytes of a message that has not arrived whole, by stream. */
  const partial = new Map<number, number>()
  const endpoint = new H2Endpoint(socket, 'server', {
    onHeaders(streamId, _buf, _start, _end, endStream) {
      endpoint.sendHeaders(streamId, head, false)
      if (endStream) endpoint.sendHeaders(streamId, trailers, true)
    },
    onData(streamId, bytes, endStream) {
      let received = (partial.get(streamId) ?? 0) + bytes
      for (; received >= messageBytes; received -= messageBytes) endpoint.sendPiece(streamId, message, false)
      if (endStream) {
        partial.delete(streamId)
        endpoint.sendHeaders(streamId, trailers, true)
      } else if (received > 0 || partial.has(streamId)) partial.set(streamId, received)
    },
    onReset(streamId) {
      partial.delete(streamId)
    },
  })
  endpoint.output.flush()
}

function h2ResponseBlock(bodyBytes: number): Buffer {
  return h2Block(responseFields(bodyBytes))
}

/** `:status 200` and `fields`. */
function h2Block(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat([Buffer.from([0x88]), h2Literals(fields)])
}

/** Literals without indexing and without Huffman code (RFC 7541 §6.2.2). */
function h2Literals(fields: readonly (readonly [string, string])[]): Buffer {
  const text = (each: string) => Buffer.concat([Buffer.from([each.length]), Buffer.from(each)])
  return Buffer.concat(fields.map(([name, value]) => Buffer.concat([Buffer.from([0]), text(name), text(value)])))
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

/** Answers each whole block with a block. */
function serveBlocks(socket: Socket, blockBytes: number): void {
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
