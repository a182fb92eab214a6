import { once } from 'node:events'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import { startPair } from '../proxy/pair.ts'
import { findH2spec, type H2spec, runH2spec } from './h2spec.ts'

/** Enough content that no case is skipped for want of it. */
const CONTENT = 'more than five bytes'
/** One case opens one stream more than this. */
const MAX_STREAMS = 100

async function startOrigin(): Promise<{ port: number; close(): void }> {
  const server = http2.createServer()
  const sessions = new Set<http2.ServerHttp2Session>()
  server.on('session', (session) => {
    sessions.add(session)
    session.on('error', () => {})
    session.on('close', () => sessions.delete(session))
  })
  server.on('stream', (stream: http2.ServerHttp2Stream) => {
    stream.on('error', () => {})
    stream.resume()
    stream.on('end', () => {
      if (stream.destroyed) return
      stream.respond({ ':status': 200 })
      stream.end(CONTENT)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close()
      for (const session of sessions) session.destroy()
    },
  }
}

const h2spec = await findH2spec()

test('h2spec, all cases and strictly', { skip: typeof h2spec === 'string' ? h2spec : false }, async (t) => {
  for (const side of ['outbound', 'outbound to a meshed endpoint', 'inbound'] as const) {
    await t.test(side, async (t) => {
      const origin = await startOrigin()
      const pair = await startPair({
        appPorts: [origin.port],
        isMeshed: side !== 'outbound',
        http2: { maxConcurrentStreams: MAX_STREAMS },
      })
      t.teardown(() => {
        pair.close()
        origin.close()
      })
      const port = side === 'inbound' ? await pair.openInbound(origin.port) : pair.port
      const result = await runH2spec(h2spec as H2spec, port)
      t.equal(result.failed, 0, result.failures)
      t.equal(result.passed, result.tests, 'none is skipped')
      t.ok(result.tests >= 145, 'the whole suite ran')
    })
  }
})
