/**
 * The alarm clock of an open loop, a worker: it posts a message when a request is due. The timers of an event loop are
 * whole milliseconds, which is more than most requests take; a thread that sleeps is exact to some tens of microseconds
 * and, unlike one that polls, leaves the core to those who are measured.
 */
import { parentPort, workerData } from 'node:worker_threads'

const { ratePerSecond, beginAtMs, total } = workerData as {
  readonly ratePerSecond: number
  /** On the clock that all threads share: `performance.timeOrigin + performance.now()`. */
  readonly beginAtMs: number
  readonly total: number
}
const nowMs = (): number => performance.timeOrigin + performance.now()
const never = new Int32Array(new SharedArrayBuffer(4))

for (let index = 0; index < total; ) {
  const waitMs = beginAtMs + (index * 1_000) / ratePerSecond - nowMs()
  if (waitMs > 0) Atomics.wait(never, 0, 0, waitMs)
  parentPort!.postMessage(0)
  // Whatever became due while this thread overslept goes with the one message.
  const due = Math.floor(((nowMs() - beginAtMs) * ratePerSecond) / 1_000) + 1
  index = Math.max(index + 1, due)
}
