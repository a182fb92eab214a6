/**
 * Ordinary traffic as a process: HTTP/2 requests at a fixed rate, whatever the answers do. A latency counts from the time
 * its request was due, so that a stall is felt by every request it delays. Prints, ten times a second, what was answered:
 * when each request was due, in milliseconds since 1970, and its latency in milliseconds.
 */
import { connect } from 'node:net'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { H2Endpoint } from '../load/h2-endpoint.ts'
import { http2Request } from '../load/request.ts'

const { values } = parseArgs({
  options: { host: { type: 'string' }, port: { type: 'string' }, rate: { type: 'string', default: '500' } },
})
const host = values.host ?? '127.0.0.1'
const port = Number(values.port)
const ratePerSecond = Number(values.rate)
const CONNECTIONS = 4
const PRINT_MS = 100
/** Finds a stream's due time by the low bits of its id. */
const SLOTS = 8_192

let answers: [dueAtMs: number, latencyMs: number][] = []
let failures = 0
const nowMs = (): number => performance.timeOrigin + performance.now()
const hundredths = (ms: number): number => Math.round(ms * 100) / 100
const request = http2Request({ kind: 'web', authority: `${host}:${port}`, bodyBytes: 0 })

const clients = Array.from({ length: CONNECTIONS }, () => {
  const socket = connect({ host, port, noDelay: true })
  socket.on('error', () => {})
  socket.on('close', () => void failures++)
  const dueMs = new Float64Array(SLOTS)
  const slotOf = (streamId: number): number => (streamId >>> 1) & (SLOTS - 1)
  const finish = (streamId: number): void => {
    const dueAtMs = dueMs[slotOf(streamId)]!
    answers.push([hundredths(dueAtMs), hundredths(nowMs() - dueAtMs)])
  }
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

const beginAtMs = nowMs()
let sent = 0
const workerData = { ratePerSecond, beginAtMs, total: Number.MAX_SAFE_INTEGER }
new Worker(join(import.meta.dirname, '..', 'load', 'pacer.ts'), { workerData }).on('message', () => {
  const due = Math.floor(((nowMs() - beginAtMs) * ratePerSecond) / 1_000)
  for (; sent < due; sent++) clients[sent % CONNECTIONS]!.send(beginAtMs + (sent * 1_000) / ratePerSecond, sent)
  for (const { endpoint } of clients) endpoint.output.flush()
})

setInterval(() => {
  process.stdout.write(`${JSON.stringify({ answers, failures })}\n`)
  answers = []
  failures = 0
}, PRINT_MS)
