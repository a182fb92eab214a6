/**
 * The proxy's life: what starts and stops in which order. Nothing is accepted before the first certificate is there; on
 * SIGTERM requests in flight finish. How each part is made is in `assembly/`.
 */
import { AdminServer } from './admin/server.ts'
import { assembleControl, type Control } from './assembly/control.ts'
import type { Direction, Surroundings } from './assembly/direction.ts'
import { assembleInbound } from './assembly/inbound.ts'
import { assembleOutbound } from './assembly/outbound.ts'
import type { Config } from './config/config.ts'
import { Explainer } from './explain/explainer.ts'
import { trimChunks } from './http/chunk-pool.ts'
import { giveBackMemory, IdleMemory } from './io/idle-memory.ts'
import { activity } from './io/socket-transport.ts'
import { trimMemory } from './io/trim-memory.ts'
import { declareFamilies } from './telemetry/families.ts'
import type { Logger } from './telemetry/log.ts'
import { mergePages } from './telemetry/merge-pages.ts'
import { registerProcessMetrics } from './telemetry/process-metrics.ts'
import { Registry } from './telemetry/registry.ts'
import { Workers } from './workers.ts'

/** Reported as `proxy_build_info`. */
const VERSION = '0.1.0'
/** Keep-alive PINGs, pool sweeps and the like need no finer clock. */
const TICK_MS = 1_000
/** How long a shutdown waits between looks at what is still in flight. */
const DRAIN_POLL_MS = 50

// The global is looked up by a getter each time.
const clock = performance
const nowMs = (): number => clock.now()

export interface RunningProxy {
  readonly isReady: boolean
  /** Stops accepting, lets requests in flight finish within the grace period, then closes. */
  shutdown(): Promise<void>
}

/** The process that the pod started has the admin port and, with more than one core, workers beside it. */
export type Role =
  | { readonly kind: 'first'; readonly onShutdownRequest: () => void }
  | {
      readonly kind: 'worker'
      /** Gives the process that started it what it asks for. */
      readonly serve: (renderMetrics: () => string) => void
    }

export async function startProxy(
  config: Config,
  env: NodeJS.ProcessEnv,
  log: Logger,
  role: Role,
): Promise<RunningProxy> {
  const surroundings = surroundingsOf(config, log)
  const control = assembleControl(surroundings)
  // The identity controller works on its answer while the rest is made here, once it has heard of us.
  const certified = firstCertificate(control)
  await nextTurn()
  const inbound = assembleInbound(surroundings, control)
  const outbound = assembleOutbound(surroundings, control)

  const workers =
    role.kind === 'first' && config.cores > 1 ? new Workers(config.cores - 1, log, Math.random) : undefined
  const renderMetrics = (): string => surroundings.registry.render()

  let isReady = false
  let admin: AdminServer | undefined
  if (role.kind === 'first') {
    admin = new AdminServer({
      isReady: () => isReady,
      renderMetrics: () =>
        workers === undefined
          ? renderMetrics()
          : workers.metrics().then((pages) => mergePages([renderMetrics(), ...pages])),
      env,
      log,
      explainer: new Explainer({ inbound, outbound }),
      onLogFilter: (filter) => workers?.setLogFilter(filter),
      isShutdownEnabled: config.admin.isShutdownEnabled,
      onShutdown: role.onShutdownRequest,
    })
    await admin.listen(config.admin.listen)
  }

  const memory = new IdleMemory(giveBackMemory)
  const trimming = trimMemory()
  const ticker = setInterval(() => {
    const at = nowMs()
    for (const part of [inbound, outbound, control]) part.tick(at)
    trimChunks()
    memory.tick(activity.reads, inbound.connectionCount + outbound.connectionCount)
    trimming.tick()
  }, TICK_MS)
  ticker.unref()

  await certified
  await inbound.listen()
  await outbound.listen()
  await workers?.ready()
  isReady = true
  if (role.kind === 'worker') role.serve(renderMetrics)
  log.info(
    `ready as ${control.certifier.localName}: inbound ${config.inbound.listen.port}, outbound ${config.outbound.listen.map(({ port }) => port).join()}, admin ${config.admin.listen.port}`,
  )

  return {
    get isReady() {
      return isReady
    },
    async shutdown() {
      inbound.shutdown()
      outbound.shutdown()
      await Promise.all([drain([inbound, outbound], config.shutdownGraceMs, log), workers?.shutdown()])
      clearInterval(ticker)
      inbound.destroy()
      outbound.destroy()
      outbound.close()
      inbound.close()
      control.close()
      admin?.close()
    },
  }
}

function surroundingsOf(config: Config, log: Logger): Surroundings {
  const registry = new Registry({ nowMs, retainIdleMs: config.metrics.retainIdleMs })
  const families = declareFamilies(registry)
  registerProcessMetrics(registry, { unixMs: Date.now, startedUnixMs: Date.now() - performance.now() })
  families.buildInfo.child([
    ['version', VERSION],
    ['vendor', 'weft'],
  ]).value = 1
  return { config, log, registry, families, nowMs }
}

async function firstCertificate({ certifier }: Control): Promise<void> {
  await new Promise<void>((resolve) => {
    certifier.onContext(() => resolve())
    void certifier.start()
  })
}

/** Lets the event loop see what has happened in the meantime. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Waits until what was accepted has ended, for the grace period at most. */
async function drain(directions: readonly Direction[], graceMs: number, log: Logger): Promise<void> {
  const connections = (): number => directions.reduce((sum, { connectionCount }) => sum + connectionCount, 0)
  const deadlineMs = nowMs() + graceMs
  while (connections() > 0 && nowMs() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS))
  if (connections() > 0) log.warn(`${connections()} connections were still open after ${graceMs} ms; they are cut`)
}
