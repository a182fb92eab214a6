/** Hostile peers as processes of their own against a pair: who is told to go, for what reason, and that others are served. */
import { type ChildProcess, spawn } from 'node:child_process'
import http from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'tap'
import { startHttp1, startHttp2, until } from './apps.ts'
import { type Pair, startPair } from './pair.ts'

const ATTACK = join(import.meta.dirname, '../../bench/hostile/attack.ts')

/** Runs an attack on `port` until the proxy has closed it. */
function attacked(key: string, port: number): Promise<void> {
  const child: ChildProcess = spawn(process.execPath, [ATTACK, '--attack', key], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin!.write(`go ${port}\n`)
  return new Promise((resolve) => {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if ((JSON.parse(line) as { event: string }).event !== 'closed') return
      child.kill('SIGKILL')
      resolve()
    })
  })
}

/** A request of somebody else, through both proxies. */
function get(port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    http
      .get({ port, host: '127.0.0.1', agent: false }, (response) => {
        response.resume()
        response.on('end', () => resolve(response.statusCode))
      })
      .on('error', reject)
  })
}

async function tryAll(
  pair: Pair,
  doorPort: number,
  attacks: readonly (readonly [key: string, reason: string])[],
  check: (key: string, reason: string, heard: readonly string[]) => void,
): Promise<void> {
  for (const [key, reason] of attacks) {
    const before = pair.counts.inboundRefusals.length
    await attacked(key, doorPort)
    check(key, reason, pair.counts.inboundRefusals.slice(before))
  }
}

test('hostile clients of HTTP/1', async (t) => {
  const app = await startHttp1((_request, response) => response.end('ok'))
  const pair = await startPair({
    appPorts: [app.port],
    detectTimeoutMs: 500,
    timeBounds: { headMs: 500, contentMs: 500 },
  })
  t.teardown(() => {
    pair.close()
    app.close()
  })
  const door = await pair.openInbound(app.port)
  await tryAll(
    pair,
    door,
    [
      ['client: h1 a head without end', 'head_too_large'],
      ['client: h1 a client that never sends', 'silent'],
      ['client: h1 two lengths', 'malformed'],
      ['client: h1 chunk extensions without end', 'malformed'],
    ],
    (key, reason, heard) => t.ok(heard.includes(reason), `${key}: ${heard.join()}`),
  )
  t.equal(await get(pair.port), 200, 'others are served')
})

test('hostile clients of HTTP/2', async (t) => {
  const app = await startHttp2((stream) => {
    stream.respond({ ':status': 200 })
    stream.end('ok')
  })
  const pair = await startPair({ appPorts: [app.port] })
  t.teardown(() => {
    pair.close()
    app.close()
  })
  const door = await pair.openInbound(app.port)
  await tryAll(
    pair,
    door,
    [
      ['client: h2 PING', 'idle_frames'],
      ['client: h2 rapid reset', 'resets'],
      ['client: h2 resets provoked by WINDOW_UPDATE of 0', 'resets'],
      ['client: h2 CONTINUATION', 'continuations'],
    ],
    (key, reason, heard) => t.ok(heard.includes(reason), `${key}: ${heard.join()}`),
  )
  // Each is heard out for some seconds.
  await until(() => pair.open().inboundConnections === 0)
})

test('more connections than there may be', async (t) => {
  const app = await startHttp1((_request, response) => response.end('ok'))
  const pair = await startPair({ appPorts: [app.port], maxConnections: 0 })
  t.teardown(() => {
    pair.close()
    app.close()
  })
  await t.rejects(get(pair.port))
  t.same(pair.counts.outboundRefusals, ['connection_limit'])
})
