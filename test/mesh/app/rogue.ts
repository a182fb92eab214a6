/**
 * A peer on the port of an inbound proxy that is no proxy: it ends mesh TLS with the certificate it was given, reads
 * the transport header, answers HTTP/2 behind it, and counts. Asked on its plain port it tells how far clients went.
 */
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { hostname } from 'node:os'
import process from 'node:process'
import { createServer, type TLSSocket } from 'node:tls'
import { Port, TRANSPORT_ALPN, TRANSPORT_PREFIX } from '../../../api/vocabulary.ts'
import { TestPort } from './grpc-echo.ts'

const { TLS_CERT: cert = '', TLS_KEY: key = '' } = process.env
const counts = { connections: 0, bytes: 0, requests: 0 }

const http2 = createHttp2Server((_, response) => {
  counts.requests++
  response.end(JSON.stringify({ pod: hostname() }))
})

const server = createServer({ cert, key, minVersion: 'TLSv1.3', ALPNProtocols: [TRANSPORT_ALPN] }, (socket) => {
  let head = Buffer.alloc(0)
  socket.on('error', () => {})
  const onData = (chunk: Buffer) => {
    counts.bytes += chunk.length
    head = Buffer.concat([head, chunk])
    const rest = behindHeader(head)
    if (rest === undefined) return
    socket.off('data', onData)
    handOver(socket, rest)
  }
  socket.on('data', onData)
})
server.on('connection', () => counts.connections++)
server.on('tlsClientError', () => {})
server.listen(Port.inbound)

createHttpServer((_, response) => response.end(JSON.stringify(counts))).listen(TestPort.http)

/** What follows the prefix, the length and the message; `undefined` while the header is not whole. */
function behindHeader(bytes: Buffer): Buffer | undefined {
  const at = TRANSPORT_PREFIX.length
  if (bytes.length < at + 4) return undefined
  const end = at + 4 + bytes.readUInt32BE(at)
  return bytes.length < end ? undefined : bytes.subarray(end)
}

function handOver(socket: TLSSocket, rest: Buffer): void {
  socket.pause()
  if (rest.length > 0) socket.unshift(rest)
  http2.emit('connection', socket)
}
