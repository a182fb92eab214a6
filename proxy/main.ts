/** The proxy's entry: environment in, exit code out. 64: the configuration is wrong; 1: it could not start. */
import { tokenProblem } from './assembly/control.ts'
import { describeProblems, readConfig } from './config/config.ts'
import { type RunningProxy, startProxy } from './proxy.ts'
import { Logger, startLogger } from './telemetry/log.ts'

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
  proxy = await startProxy(config, process.env, log, () => void stop())
}

main().catch((error: unknown) => {
  startLogger().error(error instanceof Error ? error.message : String(error))
  process.exit(1)
})
