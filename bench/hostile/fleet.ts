/**
 * Thousands of hostile connections as a process, of several kinds in turn; one that the proxy closes is dialled again, so
 * that their number stays. `SIGTERM` ends them all. Prints how many are open, once a second.
 */
import { connect, type Socket } from 'node:net'
import { parseArgs } from 'node:util'
import { ORIGINS } from '../origin-ports.ts'
import { get, hello, ping, settings, unfinished } from './frames.ts'

const { values } = parseArgs({
  options: {
    host: { type: 'string' },
    count: { type: 'string', default: '5000' },
    inbound: { type: 'string', default: '4143' },
  },
})
const host = values.host ?? '127.0.0.1'
const count = Number(values.count)
/** Dialled per step of 20 ms: some 1,000 per second. */
const PER_STEP = 20
const STEP_MS = 20
const INITIAL_WINDOW = 4

interface Kind {
  readonly port: number
  readonly run: (socket: Socket) => void
}

const KINDS: readonly Kind[] = [
  // Silent.
  { port: ORIGINS.h2.port, run: () => {} },
  // Half a TLS handshake, at the port of the mesh.
  { port: Number(values.inbound), run: (socket) => socket.write(Buffer.from('16030100c8010000c40303', 'hex')) },
  // A slow head.
  { port: ORIGINS.h1.port, run: (socket) => socket.write('GET / HTTP/1.1\r\nHost: a\r\nx') },
  // A slow field block behind half a frame.
  {
    port: ORIGINS.h2.port,
    run: (socket) => socket.write(Buffer.concat([hello(), unfinished(1), ping().subarray(0, 5)])),
  },
  // A window of zero before a response of 1 MB.
  {
    port: ORIGINS.h2Bulk.port,
    run: (socket) => socket.write(Buffer.concat([hello(), settings([[INITIAL_WINDOW, 0]]), get(1)])),
  },
  // A response of 1 MB that is not read.
  {
    port: ORIGINS.h1Bulk.port,
    run(socket) {
      socket.pause()
      socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    },
  },
]

let open = 0
let dialled = 0
const waiting: number[] = Array.from({ length: count }, (_, n) => n)

function dial(n: number): void {
  const { port, run } = KINDS[n % KINDS.length]!
  dialled++
  const socket = connect({ host, port, noDelay: true, allowHalfOpen: true }, () => {
    open++
    socket.resume()
    run(socket)
    socket.on('close', () => void open--)
  })
  socket.on('error', () => {})
  socket.on('end', () => socket.destroy())
  socket.on('close', () => void waiting.push(n))
}

setInterval(() => {
  for (const n of waiting.splice(0, PER_STEP)) dial(n)
}, STEP_MS)
setInterval(() => process.stdout.write(`${JSON.stringify({ open, dialled })}\n`), 1_000)
