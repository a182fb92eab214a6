/**
 * One load generator as a process. Four ways to run it:
 *
 *   closed loop       warms up, then measures, and prints its `LoadResult` as one line of JSON
 *   --turn MS         a closed loop that is paused: each line on its standard input, `warm-up` or `measure`, is a turn of
 *                     so many milliseconds, whose `Turn` it prints; when the input ends, the `LoadResult` of the turns
 *                     that were measured
 *   --rate R          the same as an open loop of R requests per second
 *   --hold N          N requests on every slot, then `held` as a line, and the connections stay as they are until the
 *                     process is ended; a connection that does not stay ends it with an error
 *
 * It reads the CPU time of the proxies itself, so that the interval is the same as that of the requests.
 */
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import type { LoadKind } from '../cases.ts'
import { cpuSecondsOfTree } from '../process-stat.ts'
import { startConnectLoad } from './connect-load.ts'
import { startGrpcLoad } from './grpc-load.ts'
import { startH1Load } from './h1-load.ts'
import { startH2Load } from './h2-load.ts'
import { CLOSED_LOOP, type Load, type LoadOptions, type LoadResult, type RunningLoad, type Turn } from './load.ts'
import { OpenLoop } from './open-loop.ts'
import { Recorder } from './recorder.ts'
import { startTcpLoad } from './tcp-load.ts'
import { TurnLoop } from './turn-loop.ts'
import { isWarm } from './warm-up.ts'

const LOADS: ReadonlyMap<string, Load> = new Map<LoadKind, Load>([
  ['h1', startH1Load],
  ['h2', startH2Load],
  ['grpc', startGrpcLoad],
  ['tcp', startTcpLoad],
  ['connect', startConnectLoad],
])

const { values } = parseArgs({
  options: {
    kind: { type: 'string', default: 'h2' },
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '8080' },
    connections: { type: 'string', default: '4' },
    streams: { type: 'string', default: '1' },
    body: { type: 'string', default: '0' },
    messages: { type: 'string', default: '1' },
    authority: { type: 'string' },
    warmup: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '5' },
    pids: { type: 'string', default: '' },
    rate: { type: 'string' },
    turn: { type: 'string' },
    hold: { type: 'string' },
    'tls-cert': { type: 'string' },
    'tls-ca': { type: 'string', default: '' },
    'tls-name': { type: 'string', default: '' },
    'tls-resume': { type: 'boolean', default: false },
    'tls-header-port': { type: 'string' },
  },
})

const load = LOADS.get(values.kind)
if (load === undefined) {
  process.stderr.write(`--kind ${values.kind}: choose ${[...LOADS.keys()].join(', ')}\n`)
  process.exit(64)
}
const options: LoadOptions = {
  host: values.host,
  port: Number(values.port),
  connections: Number(values.connections),
  streams: Number(values.streams),
  bodyBytes: Number(values.body),
  messages: Number(values.messages),
  endsStreams: values.hold === undefined,
  ...(values.authority === undefined ? {} : { authority: values.authority }),
  ...(values['tls-cert'] === undefined
    ? {}
    : {
        tls: {
          certFile: values['tls-cert'],
          caFile: values['tls-ca'],
          serverName: values['tls-name'],
          resumes: values['tls-resume'],
          ...(values['tls-header-port'] === undefined ? {} : { headerPort: Number(values['tls-header-port']) }),
        },
      }),
}
const pids = values.pids === '' ? [] : values.pids.split(',').map(Number)
const warmupMs = Number(values.warmup) * 1_000
const measuredMs = Number(values.seconds) * 1_000
/** An answer of an open loop that takes longer than this after the end is none. */
const GRACE_MS = 5_000
/** The same for a turn, in which nothing is due: long, since a machine that is busy with something else shall not fail it. */
const PAUSE_GRACE_MS = 30_000
/** After the last answer of a turn, until its proxies have put away what they held for it. */
const SETTLE_MS = 10
/** Connections of an open loop are made before its first request is due. */
const CONNECT_MS = 500

if (values.hold !== undefined) hold(load, Number(values.hold))
else if (values.turn !== undefined) await runInTurns(load, Number(values.turn))
else if (values.rate !== undefined) await runOpenLoop(load, Number(values.rate))
else await runClosedLoop(load)

async function runClosedLoop(start: Load): Promise<void> {
  const recorder = new Recorder()
  const running = start(options, recorder, CLOSED_LOOP)
  await warmUp(recorder)
  const before = pids.map(cpuSecondsOfTree)
  const beganAtMs = performance.now()
  recorder.begin(beganAtMs)
  await sleep(measuredMs)
  const endedAtMs = performance.now()
  recorder.end(endedAtMs)
  const after = pids.map(cpuSecondsOfTree)
  running.stop()
  print(running, recorder, (endedAtMs - beganAtMs) / 1_000, difference(before, after))
}

async function warmUp(recorder: Recorder): Promise<void> {
  const beganAtMs = performance.now()
  const carried = () => ({
    seconds: (performance.now() - beganAtMs) / 1_000,
    requests: recorder.seenRequests,
    contentBytes: recorder.seenBytes,
  })
  while (!isWarm(values.kind as LoadKind, carried(), warmupMs / 1_000)) await sleep(50)
}

async function runInTurns(start: Load, turnMs: number): Promise<void> {
  const recorder = new Recorder()
  const loop = new TurnLoop(options.connections * options.streams)
  const running = start(options, recorder, loop)
  let seconds = 0
  let cpuSeconds = pids.map(() => 0)
  for await (const command of createInterface({ input: process.stdin })) {
    // Between turns nothing is under way, so from the first that is measured on everything is.
    if (command === 'measure' && seconds === 0) recorder.begin(performance.now())
    const turn = await takeTurn(recorder, loop, running, turnMs)
    if (command === 'measure') {
      seconds += turn.seconds
      cpuSeconds = cpuSeconds.map((value, index) => value + turn.cpuSeconds[index]!)
    }
    process.stdout.write(`${JSON.stringify(turn)}\n`)
  }
  running.stop()
  print(running, recorder, seconds, cpuSeconds)
}

async function takeTurn(recorder: Recorder, loop: TurnLoop, running: RunningLoad, turnMs: number): Promise<Turn> {
  const { seenRequests, seenBytes } = recorder
  const before = pids.map(cpuSecondsOfTree)
  const beganAtMs = performance.now()
  loop.go(beganAtMs)
  running.flush()
  await sleep(turnMs)
  const answered = Promise.race([loop.pause(performance.now()), sleep(PAUSE_GRACE_MS, undefined, { ref: false })])
  // A slot that failed does not become free.
  const lastAnswerAtMs = recorder.failures > 0 ? undefined : await answered
  if (lastAnswerAtMs === undefined || recorder.failures > 0) {
    const reason =
      recorder.firstFailure || `an answer did not come within ${PAUSE_GRACE_MS} ms after the end of the turn`
    process.stderr.write(`a turn failed: ${reason}\n`)
    process.exit(1)
  }
  await sleep(SETTLE_MS)
  return {
    requests: recorder.seenRequests - seenRequests,
    contentBytes: recorder.seenBytes - seenBytes,
    seconds: (lastAnswerAtMs - beganAtMs) / 1_000,
    cpuSeconds: difference(before, pids.map(cpuSecondsOfTree)),
  }
}

async function runOpenLoop(start: Load, ratePerSecond: number): Promise<void> {
  const recorder = new Recorder('due')
  const beginMs = performance.now() + CONNECT_MS
  const pacing = new OpenLoop(ratePerSecond, beginMs, warmupMs + measuredMs)
  const first = Math.ceil((warmupMs * ratePerSecond) / 1_000)
  recorder.begin(pacing.dueAtMs(first))
  const running = start(options, recorder, pacing)
  const beginAtMs = performance.timeOrigin + beginMs
  const pacer = new Worker(join(import.meta.dirname, 'pacer.ts'), {
    workerData: { ratePerSecond, beginAtMs, total: pacing.total },
  })
  pacer.on('message', () => {
    pacing.tick(performance.now())
    running.flush()
  })
  await sleep(beginMs + warmupMs - performance.now())
  const before = pids.map(cpuSecondsOfTree)
  await sleep(beginMs + warmupMs + measuredMs - performance.now())
  const after = pids.map(cpuSecondsOfTree)
  // Every request that was due in the interval is waited for, however late it is.
  const expected = pacing.total - first
  const giveUpAtMs = performance.now() + GRACE_MS
  while (recorder.requests < expected && performance.now() < giveUpAtMs) await sleep(10)
  running.stop()
  const missing = expected - recorder.requests
  for (let i = 0; i < missing; i++) recorder.failure(`not answered ${GRACE_MS} ms after the end of the load`)
  print(running, recorder, measuredMs / 1_000, difference(before, after))
}

function hold(start: Load, requests: number): void {
  const recorder = new Recorder()
  let waiting = options.connections * options.streams
  const started = new Map<object, number>()
  const running = start(options, recorder, {
    onFree(slot, nowMs) {
      const times = started.get(slot) ?? 0
      started.set(slot, times + 1)
      if (times < options.streams * requests) slot.start(nowMs)
      else if (--waiting === 0) process.stdout.write('held\n')
    },
  })
  setInterval(() => {
    if (recorder.failures === 0) return running.flush()
    process.stderr.write(`${recorder.failures} connections or streams did not stay: ${recorder.firstFailure}\n`)
    process.exit(1)
  }, 10)
}

function difference(before: readonly number[], after: readonly number[]): number[] {
  return after.map((value, index) => value - before[index]!)
}

function print(running: RunningLoad, recorder: Recorder, seconds: number, cpuSeconds: readonly number[]): void {
  const tls = running.tls?.()
  const result: LoadResult = {
    requests: recorder.requests,
    failures: recorder.failures,
    firstFailure: recorder.firstFailure,
    contentBytes: recorder.contentBytes,
    seconds,
    p50Ms: recorder.percentileMs(0.5),
    p99Ms: recorder.percentileMs(0.99),
    p999Ms: recorder.percentileMs(0.999),
    cpuSeconds,
    ...(tls === undefined ? {} : { tls }),
  }
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0))
}
