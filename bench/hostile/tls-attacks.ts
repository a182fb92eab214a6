/** Attacks where the proxy looks for TLS. */
import { type Attack, flood, floodInPieces, reading } from './attack-kinds.ts'

export const TLS_ATTACKS: readonly Attack[] = [
  {
    name: 'tls half a handshake',
    side: 'client',
    port: 'inbound',
    run: reading((socket) => socket.write(tlsRecord(500, 100))),
  },
  {
    name: 'tls a ClientHello without end',
    side: 'client',
    port: 'h2',
    run: reading((socket) => flood(socket, () => tlsRecord(16_000, 16_000))),
  },
  {
    name: 'tls a ClientHello byte by byte',
    side: 'client',
    port: 'h2',
    run: reading((socket) => {
      const bytes = tlsRecord(10_000, 10_000)
      floodInPieces(socket, (round) => bytes.subarray(round, round + 1))
    }),
  },
  {
    name: 'tls bytes that are no TLS',
    side: 'client',
    port: 'inbound',
    run: reading((socket) => socket.write('GET / HTTP/1.1\r\n\r\n')),
  },
]

/** A handshake record of `length` bytes that says it holds a ClientHello, of which `sent` are sent. */
function tlsRecord(length: number, sent: number): Buffer {
  const record = Buffer.alloc(5 + sent, 7)
  record.writeUInt8(22, 0)
  record.writeUInt16BE(0x0301, 1)
  record.writeUInt16BE(length, 3)
  record.writeUInt8(1, 5)
  record.writeUIntBE(length - 4, 6, 3)
  return record
}
