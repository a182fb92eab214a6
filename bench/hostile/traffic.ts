/**
 * Ordinary traffic as a process: HTTP/2 requests at a fixed rate, whatever the answers do. A latency counts from the time
 * its request was due, so that a stall is felt by every request it delays. Prints a line per second: the time in
 * milliseconds since 1970 and the latencies in milliseconds of what was answered.
 */
import { connect } from 'node:net'
import { parseArgs } from 'node:util'
import { H2Endpoint } from '../load/h2-endpoint.ts'
import { http2Request } from '../load/request.ts'

const { values } = parseArgs({
  options: { host: { type: 'string' }, port: { type: 'string' }, rate: { type: 'string', default: '500' } },
})
const host = values.host ?? '127.0.0.1'
const port = Number(values.port)
const perMs = Number(values.rate) / 1_000
const CONNECTIONS = 4
/** Finds a stream's due time by the low bits of its id. */
const SLOTS = 8_192

let latencies: number[] = []
let failures = 0
const request = http2Request({ kind: 'web', authority: `${host}:${port}`, bodyBytes: 0 })

const clients = Array.from({ length: CONNECTIONS }, () => {
  const socket = connect({ host, port, noDelay: true })
  socket.on('error', () => {})
  socket.on('close', () => void failures++)
  const dueMs = new Float64Array(SLOTS)
  const slotOf = (streamId: number): number => (streamId >>> 1) & (SLOTS - 1)
  const finish = (streamId: number): void => void latencies.push(performance.now() - dueMs[slotOf(streamId)]!)
  const endpoint = new H2Endpoint(socket, 'client', {
    onHeaders: (streamId, _buf, _start, _end, endStream) => endStream && finish(streamId),
    onData: (streamId, _bytes, endStream) => endStream && finish(streamId),
    onReset: () => void failures++,
  })
  let nextId = 1
  return {
    endpoint,
    send(atMs: number, n: number): void {
      const streamId = nextId
      nextId += 2
      dueMs[slotOf(streamId)] = atMs
      request.stamp(endpoint.output.buf, endpoint.sendHeaders(streamId, request.bytes, true), n)
    },
  }
})

const beganAtMs = performance.now()
let sent = 0
setInterval(() => {
  const due = Math.floor((performance.now() - beganAtMs) * perMs)
  for (; sent < due; sent++) clients[sent % CONNECTIONS]!.send(beganAtMs + sent / perMs, sent)
  for (const { endpoint } of clients) endpoint.output.flush()
}, 1)

setInterval(() => {
  const rounded = latencies.map((ms) => Math.round(ms * 100) / 100)
  process.stdout.write(`${JSON.stringify({ atMs: Date.now(), latencies: rounded, failures })}\n`)
  latencies = []
  failures = 0
}, 100)
