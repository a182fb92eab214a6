/** Load that goes on until it is stopped, while the test changes the world around it. */
import { Agent } from 'node:http'
import { call, channel } from './grpc.ts'
import { into } from './http.ts'
import { Summary, type SummaryReport } from './summary.ts'
import { opaqueExchange } from './tcp.ts'

export interface Load {
  readonly name: string
  /** `opaque` opens a new connection each time, the others keep theirs. */
  readonly kind: 'http' | 'grpc' | 'opaque'
  /** URL for HTTP, else `host:port`. */
  readonly target: string
  readonly concurrency: number
  /** Between two requests of one worker: a suite must leave room for the others on its machine. */
  readonly pauseMs: number
}

interface Running {
  readonly summary: Summary
  isStopping: boolean
  readonly ended: Promise<unknown>
}

const loads = new Map<string, Running>()

export function startLoad(load: Load): void {
  const summary = new Summary()
  const { request, close } = client(load, summary)
  const running: Running = {
    summary,
    isStopping: false,
    ended: Promise.resolve().then(async () => {
      await Promise.all(
        Array.from({ length: load.concurrency }, async () => {
          while (!running.isStopping) {
            await request()
            await new Promise((resolve) => setTimeout(resolve, load.pauseMs))
          }
        }),
      )
      close()
    }),
  }
  loads.set(load.name, running)
}

export function reportLoad({ name }: { readonly name: string }): SummaryReport {
  return find(name).summary.report()
}

/** Lets requests in flight finish. */
export async function stopLoad({ name }: { readonly name: string }): Promise<SummaryReport> {
  const running = find(name)
  running.isStopping = true
  await running.ended
  loads.delete(name)
  return running.summary.report()
}

function client({ kind, target, concurrency }: Load, summary: Summary) {
  switch (kind) {
    case 'http': {
      const pool = new Agent({ keepAlive: true, maxSockets: concurrency })
      return { request: () => into(summary, { url: target }, pool), close: () => pool.destroy() }
    }
    case 'grpc': {
      const connection = channel(target)
      const request = { text: 'load' }
      return { request: () => call(connection, 'unary', request, summary), close: () => connection.close() }
    }
    case 'opaque': {
      const [host = '', port = ''] = target.split(':')
      const request = () =>
        opaqueExchange({ host, port: Number(port), send: 'hello' }).then(
          () => summary.success('opaque'),
          (error: Error) => summary.failure(error.message),
        )
      return { request, close: () => {} }
    }
  }
}

function find(name: string): Running {
  const running = loads.get(name)
  if (running === undefined) throw new Error(`there is no load ${name}`)
  return running
}
