/** The process that takes turns, told so as the benchmark tells it, against a server of the test. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { type Test, test } from 'tap'
import type { LoadResult, Turn } from './load.ts'

async function serve(t: Test, seen: { count: number; open: number }): Promise<Server> {
  const server = createServer((_request, response) => {
    seen.count++
    seen.open++
    setTimeout(() => {
      seen.open--
      response.setHeader('content-length', '2')
      response.end('ok')
    }, 2)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return server
}

function start(t: Test, server: Server) {
  const { port } = server.address() as AddressInfo
  const child = spawn(process.execPath, [
    join(import.meta.dirname, 'main.ts'),
    ...['--kind', 'h1', '--port', String(port), '--connections', '3', '--turn', '200', '--pids', String(process.pid)],
  ])
  t.teardown(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return { child, next: async () => (await lines.next()).value as string }
}

test('turns', async (t) => {
  const seen = { count: 0, open: 0 }
  const { child, next } = start(t, await serve(t, seen))
  const turn = async (command: string) => {
    child.stdin.write(`${command}\n`)
    const result = JSON.parse(await next()) as Turn
    t.equal(seen.open, 0, `${command}: a pause begins when everything is answered`)
    t.ok(result.requests >= 3, `${command}: ${result.requests} requests`)
    t.ok(result.seconds >= 0.2, `${command}: ${result.seconds} s`)
    t.ok(result.cpuSeconds[0]! > 0, `${command}: CPU of the server`)
    return result
  }
  const warmup = await turn('warm-up')
  t.equal(seen.count, warmup.requests)
  const measured = [await turn('measure'), await turn('measure')]
  child.stdin.end()
  const result = JSON.parse(await next()) as LoadResult
  const sum = (value: (turn: Turn) => number) => measured.reduce((total, each) => total + value(each), 0)
  t.equal(
    result.requests,
    sum(({ requests }) => requests),
  )
  t.equal(result.contentBytes, 2 * result.requests)
  t.equal(
    result.seconds,
    sum(({ seconds }) => seconds),
  )
  t.equal(
    result.cpuSeconds[0],
    sum(({ cpuSeconds }) => cpuSeconds[0]!),
  )
  t.equal(seen.count, warmup.requests + result.requests)
  t.ok(result.p50Ms >= 2 && result.p50Ms < 200, `the pauses are in no latency: ${result.p50Ms} ms`)
})

test('a load that lost its server says so instead of a turn', async (t) => {
  const server = await serve(t, { count: 0, open: 0 })
  const { child, next } = start(t, server)
  child.stdin.write('warm-up\n')
  await next()
  const stderr = text(child.stderr)
  server.closeAllConnections()
  child.stdin.write('measure\n')
  const [code] = await once(child, 'close')
  t.equal(code, 1)
  t.match(await stderr, /^a turn failed: (?!an answer did not come)./)
})
