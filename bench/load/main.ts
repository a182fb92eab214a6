/**
 * One load generator as a process: warms up, then measures, and prints its `LoadResult` as one line of JSON. It reads
 * the CPU time of the proxies itself, so that the interval is the same as that of the requests.
 */
import { parseArgs } from 'node:util'
import { cpuSeconds } from '../process-stat.ts'
import { startH1Load } from './h1-load.ts'
import { startH2Load } from './h2-load.ts'
import type { Load, LoadResult } from './load.ts'
import { Recorder } from './recorder.ts'
import { startTcpLoad } from './tcp-load.ts'

const LOADS: ReadonlyMap<string, Load> = new Map([
  ['h1', startH1Load],
  ['h2', startH2Load],
  ['tcp', startTcpLoad],
])

const { values } = parseArgs({
  options: {
    kind: { type: 'string', default: 'h2' },
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '8080' },
    connections: { type: 'string', default: '4' },
    streams: { type: 'string', default: '1' },
    body: { type: 'string', default: '0' },
    authority: { type: 'string' },
    warmup: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '5' },
    pids: { type: 'string', default: '' },
  },
})

const load = LOADS.get(values.kind)
if (load === undefined) {
  process.stderr.write(`--kind ${values.kind}: choose ${[...LOADS.keys()].join(', ')}\n`)
  process.exit(64)
}
const pids = values.pids === '' ? [] : values.pids.split(',').map(Number)
const recorder = new Recorder()
const running = load(
  {
    host: values.host,
    port: Number(values.port),
    connections: Number(values.connections),
    streams: Number(values.streams),
    bodyBytes: Number(values.body),
    ...(values.authority === undefined ? {} : { authority: values.authority }),
  },
  recorder,
)

setTimeout(() => {
  const before = pids.map(cpuSeconds)
  const beganAtMs = performance.now()
  recorder.begin()
  setTimeout(() => {
    recorder.end()
    const seconds = (performance.now() - beganAtMs) / 1_000
    const after = pids.map(cpuSeconds)
    running.stop()
    const result: LoadResult = {
      requests: recorder.requests,
      failures: recorder.failures,
      firstFailure: recorder.firstFailure,
      contentBytes: recorder.contentBytes,
      seconds,
      p50Ms: recorder.percentileMs(0.5),
      p99Ms: recorder.percentileMs(0.99),
      cpuSeconds: after.map((value, index) => value - before[index]!),
    }
    process.stdout.write(`${JSON.stringify(result)}\n`)
  }, Number(values.seconds) * 1_000)
}, Number(values.warmup) * 1_000)
