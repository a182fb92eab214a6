/**
 * Soaks of `@grpc/grpc-js`: calls until a given time, on one connection or each on a connection of its own, and streams that
 * are cancelled or run out of time among them. Nothing may fail but what was meant to.
 */
import { JS_CASES, largeUnary } from './js-cases.ts'
import { connectJs, type TestClient } from './js-client.ts'

const WORKERS = 4
/** A proxy that breaks fails a thousand times a second; the first ones say it all. */
export const MAX_FAILURES = 20

export interface SoakResult {
  readonly calls: number
  /** What went wrong, at most `MAX_FAILURES`. */
  readonly failures: readonly string[]
}

export interface Soak {
  readonly name: string
  /** @param untilMs as of `performance.now()` */
  run(port: number, untilMs: number): Promise<SoakResult>
}

const MIXED = JS_CASES.filter(({ servers }) => servers.length === 2)

export const JS_SOAKS: readonly Soak[] = [
  { name: 'rpc_soak', run: (port, untilMs) => soak(port, untilMs, { isShared: true, one: largeUnary }) },
  { name: 'channel_soak', run: (port, untilMs) => soak(port, untilMs, { isShared: false, one: largeUnary }) },
  {
    name: 'mixed_soak',
    run: (port, untilMs) =>
      soak(port, untilMs, {
        isShared: true,
        one: (client, count) => MIXED[count % MIXED.length]!.run(client, port),
      }),
  },
]

interface Plan {
  /** One connection for all calls, or one for each. */
  readonly isShared: boolean
  readonly one: (client: TestClient, count: number) => Promise<void>
}

async function soak(port: number, untilMs: number, { isShared, one }: Plan): Promise<SoakResult> {
  const failures: string[] = []
  let calls = 0
  const shared = isShared ? connectJs(port) : undefined
  const work = async () => {
    while (performance.now() < untilMs && failures.length < MAX_FAILURES) {
      const client = shared ?? connectJs(port)
      try {
        await one(client, calls++)
      } catch (error) {
        failures.push(`call ${calls}: ${(error as Error).message}`)
      } finally {
        if (shared === undefined) client.close()
      }
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, work))
  shared?.close()
  return { calls, failures }
}
