/** The proxy's entry: environment in, exit code out. 64: the configuration is wrong; 1: it could not start. */
import { tokenProblem } from './assembly/control.ts'
import { describeProblems, readConfig } from './config/config.ts'
import { type Role, type RunningProxy, startProxy } from './proxy.ts'
import { Logger, startLogger } from './telemetry/log.ts'
import { type FromWorker, type ToWorker, WORKER_VARIABLE } from './workers.ts'

const EX_USAGE = 64

async function main(): Promise<void> {
  const read = readConfig(process.env)
  if ('problems' in read) {
    process.stderr.write(describeProblems(read.problems))
    process.exit(EX_USAGE)
  }
  const { config } = read
  const log = Logger.create(
    { format: config.log.format, write: (line) => void process.stdout.write(line), uptimeMs: () => performance.now() },
    config.log.filter,
  )
  for (const warning of config.warnings) log.warn(warning)
  const problem = tokenProblem(config)
  if (problem !== undefined) log.warn(problem)

  let proxy: RunningProxy | undefined
  let isStopping = false
  const stop = async (): Promise<void> => {
    if (isStopping) return
    isStopping = true
    log.info('shutting down: no new connections, requests in flight finish')
    await proxy?.shutdown()
    process.exit(0)
  }
  process.on('SIGTERM', () => void stop())
  process.on('SIGINT', () => void stop())
  const isWorker = process.env[WORKER_VARIABLE] !== undefined
  // Nobody is left to speak for it.
  if (isWorker) process.once('disconnect', () => void stop())
  const role: Role = isWorker
    ? { kind: 'worker', serve: (renderMetrics) => serveFirst(log, renderMetrics) }
    : { kind: 'first', onShutdownRequest: () => void stop() }
  proxy = await startProxy(config, process.env, log, role)
}

/** What a worker does for the process that started it (`workers.ts`). */
function serveFirst(log: Logger, renderMetrics: () => string): void {
  const say = (message: FromWorker): void => void process.send?.(message)
  process.on('message', (message: ToWorker) => {
    switch (message.kind) {
      case 'metrics':
        return say({ kind: 'metrics', id: message.id, page: renderMetrics() })
      case 'logFilter':
        log.setFilter(message.filter)
    }
  })
  say({ kind: 'ready' })
}

main().catch((error: unknown) => {
  startLogger().error(error instanceof Error ? error.message : String(error))
  process.exit(1)
})
