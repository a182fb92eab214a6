/**
 * The other end of an outbound proxy's handshakes: a mesh TLS server on node:tls that sends back what it gets and
 * counts. With `--tickets` it lets clients resume; without, every handshake is a full one. Ended by SIGTERM it prints
 * what it counted.
 *
 * A client that negotiated `transport.l5d.io/v1` sends a transport header first, others do not.
 */
import { constants } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:tls'
import { parseArgs } from 'node:util'
import { parseTransportHeader, TRANSPORT_ALPN } from '../../proxy/wire/transport-header.ts'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '4143' },
    cert: { type: 'string', default: '' },
    ca: { type: 'string', default: '' },
    tickets: { type: 'boolean', default: false },
  },
})

const pem = readFileSync(values.cert)
const counts = { handshakes: 0, resumed: 0 }

const server = createServer(
  {
    key: pem,
    cert: pem,
    ca: readFileSync(values.ca),
    minVersion: 'TLSv1.3',
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: [TRANSPORT_ALPN],
    // Tickets that are looked up, in a store that nobody fills, are never found.
    ...(values.tickets ? {} : { secureOptions: constants.SSL_OP_NO_TICKET }),
  },
  (socket) => {
    counts.handshakes++
    if (socket.isSessionReused()) counts.resumed++
    let isHeaderExpected = socket.alpnProtocol === TRANSPORT_ALPN
    let rest: Buffer = Buffer.alloc(0)
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      if (!isHeaderExpected) return void socket.write(chunk)
      rest = Buffer.concat([rest, chunk])
      const parsed = parseTransportHeader(rest, 0, rest.length)
      if (parsed === undefined) return
      isHeaderExpected = false
      if (rest.length > parsed.consumed) socket.write(rest.subarray(parsed.consumed))
    })
  },
)
server.listen(Number(values.port), () => process.stdout.write('ready\n'))
process.once('SIGTERM', () => process.stdout.write(`${JSON.stringify(counts)}\n`, () => process.exit(0)))
