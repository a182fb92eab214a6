/**
 * How a demo program starts and ends.
 *
 * On SIGTERM it stops accepting, answers what it has begun and exits with 0, as Kubernetes asks of every
 * program: without that, no mesh can take a pod away without losing a request.
 */
import process from 'node:process'

/** Longest time a request in flight may keep the program alive; below Kubernetes' 30 s grace period. */
const DRAIN_MS = 20_000

let isStopping = false

/** Whether the program is about to end: answers then ask the client to open its next connection elsewhere. */
export function isDraining() {
  return isStopping
}

/** Runs `drain` once, on SIGTERM or SIGINT, and exits when it has finished. */
export function onShutdown(name, drain) {
  const stop = async (signal) => {
    if (isStopping) return
    isStopping = true
    log(name, `${signal}: finishing what is in flight`)
    setTimeout(() => {
      log(name, `gave up on what was in flight after ${DRAIN_MS} ms`)
      process.exit(1)
    }, DRAIN_MS).unref()
    await drain()
    process.exit(0)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

/** Closes a `node:http` server; its kept-alive connections end with the answer they are waiting for. */
export function closeHttp(server) {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeIdleConnections()
  })
}

export function log(name, line) {
  process.stdout.write(`${new Date().toISOString()} ${name}: ${line}\n`)
}
