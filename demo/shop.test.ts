/** The demo's programs without a mesh: started as their manifests start them, on loopback, asked over HTTP. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { type Test, test } from 'tap'

const APP = join(import.meta.dirname, 'app')

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Starts a program and waits for the line that says it serves. */
async function start(t: Test, program: string, env: Record<string, string | number>): Promise<ChildProcess> {
  const settings = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, String(value)]))
  const child = spawn(process.execPath, [join(APP, program)], {
    env: { PATH: process.env.PATH ?? '', ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout!, 'data')
  child.stdout!.resume()
  return child
}

async function stop(child: ChildProcess): Promise<number | null> {
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  return code
}

async function startShop(t: Test, failures: { inventory?: number; prices?: number } = {}) {
  const [cachePort, inventoryPort, healthPort, pricesPort, webPort] = await Promise.all(
    Array.from({ length: 5 }, freePort),
  )
  const children = await Promise.all([
    start(t, 'tcp-cache.js', { PORT: cachePort! }),
    start(t, 'inventory.js', {
      PORT: inventoryPort!,
      HEALTH_PORT: healthPort!,
      POD_NAME: 'inventory-0',
      FAILURE_SHARE: failures.inventory ?? 0,
    }),
    start(t, 'prices.js', { PORT: pricesPort!, FAILURE_SHARE: failures.prices ?? 0 }),
  ])
  const web = await start(t, 'web.js', {
    PORT: webPort!,
    INVENTORY_ADDRESS: `localhost:${inventoryPort}`,
    PRICES_URL: `http://localhost:${pricesPort}`,
    CACHE_ADDRESS: `localhost:${cachePort}`,
  })
  const ask = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(`http://localhost:${webPort}${path}`, {
      method,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
  return { ask, children: [web, ...children], cachePort: cachePort!, healthPort: healthPort!, webPort: webPort! }
}

test('every route of the shop answers, over HTTP, gRPC of all kinds and the cache', async (t) => {
  const { ask, children, healthPort } = await startShop(t)
  t.match(await ask('GET', '/'), { status: 200, body: { shop: 'weft demo' } })
  t.match(await ask('GET', '/catalog/book-1'), {
    status: 200,
    body: { itemId: 'book-1', available: 1000, replica: 'inventory-0', priceCents: Number },
  })
  t.match(await ask('GET', '/catalog/book-1'), { status: 200, body: { views: Number } })
  t.match(await ask('POST', '/checkout', { itemId: 'book-1', quantity: 2 }), { status: 201, body: { order: 1 } })
  t.match(await ask('GET', '/catalog/book-1'), { body: { available: 998 } }, 'what was sold is gone')
  t.match(await ask('GET', '/live/book-1'), { body: { updates: [{}, {}, {}] } }, 'server stream')
  t.match(await ask('POST', '/restock/book-1'), { body: { deliveries: 3, items: 6 } }, 'client stream')
  t.match(await ask('POST', '/audit/book-1'), { body: { differences: [{ missing: 1003 }] } }, 'both ways')
  t.equal((await fetch(`http://localhost:${healthPort}/`)).status, 200, 'inventory is ready')
  for (const child of children) t.equal(await stop(child), 0, 'SIGTERM ends a program with 0')
})

test('what the caller does wrong stays the caller’s', async (t) => {
  const { ask } = await startShop(t)
  t.match(await ask('GET', '/nowhere'), { status: 404 })
  t.match(await ask('POST', '/checkout', 'no JSON'), { status: 400, body: { error: 'the body is not JSON' } })
  t.match(await ask('POST', '/checkout', { itemId: 'book-1' }), { status: 400 })
  t.match(await ask('POST', '/checkout', { itemId: 'book-1', quantity: 5_000 }), { status: 409 })
})

test('a dependency that fails is a bad gateway, one that is a convenience is not missed', async (t) => {
  const { ask, children } = await startShop(t, { inventory: 1, prices: 1 })
  t.match(await ask('GET', '/catalog/book-1'), { status: 502 })
  t.match(await ask('GET', '/live/book-1'), { status: 502 })
  t.match(await ask('POST', '/audit/book-1'), { status: 502 })
  await stop(children[1]!)
  t.match(await ask('GET', '/'), { status: 200, body: { shop: 'weft demo' } }, 'without the cache')
})

test('the cache’s stand-in speaks the part of RESP that the shop uses', async (t) => {
  const port = await freePort()
  await start(t, 'tcp-cache.js', { PORT: port })
  const cases = [
    { name: 'PING', send: '*1\r\n$4\r\nPING\r\n', reply: '+PONG\r\n' },
    { name: 'SET, then GET, pipelined', send: cmd('SET', 'a', 'b') + cmd('get', 'a'), reply: '+OK\r\n$1\r\nb\r\n' },
    { name: 'a key that is not there', send: cmd('GET', 'nope'), reply: '$-1\r\n' },
    { name: 'INCR', send: cmd('INCR', 'n') + cmd('INCR', 'n'), reply: ':1\r\n:2\r\n' },
    { name: 'INCR of a text', send: cmd('INCR', 'a'), reply: '-ERR value is not an integer or out of range\r\n' },
    { name: 'DEL', send: cmd('DEL', 'a') + cmd('DEL', 'a'), reply: ':1\r\n:0\r\n' },
    { name: 'an unknown command', send: cmd('FLUSHALL'), reply: "-ERR unknown command 'FLUSHALL'\r\n" },
    { name: 'too few arguments', send: cmd('GET'), reply: '-ERR wrong number of arguments\r\n' },
    { name: 'no RESP at all', send: 'hello\r\n', reply: '-ERR Protocol error: byte 0x68 begins no RESP value\r\n' },
    { name: 'a length beyond the bound', send: '*1\r\n$9999999999\r\n', reply: /^-ERR Protocol error: RESP length/ },
  ]
  for (const { name, send, reply } of cases) {
    const pieces = [send.slice(0, 5), send.slice(5)]
    const socket = connect(port, '127.0.0.1')
    for (const piece of pieces) {
      socket.write(piece)
      await new Promise((resolve) => setImmediate(resolve))
    }
    socket.end()
    let received = ''
    for await (const chunk of socket) received += String(chunk)
    t.match(received, reply, name)
  }
})

test('a setting that cannot be used ends a program with one sentence', async (t) => {
  const child = spawn(process.execPath, [join(APP, 'inventory.js')], {
    env: { FAILURE_SHARE: '2' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += String(chunk)
  })
  const [code] = await once(child, 'close')
  t.equal(code, 64)
  t.equal(stderr, 'FAILURE_SHARE: "2" is not a number from 0 to 1\n')
})

function cmd(...parts: string[]): string {
  return `*${parts.length}\r\n${parts.map((part) => `$${part.length}\r\n${part}\r\n`).join('')}`
}
