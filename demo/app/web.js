/**
 * `web`: the shop's HTTP/1.1 front. It asks `inventory` over gRPC, `prices` over HTTP and keeps counters in
 * `cache` over the Redis protocol, by their ordinary service names: nothing here knows that there is a mesh.
 */
import { createServer } from 'node:http'
import grpc from '@grpc/grpc-js'
import { hostPort, number, text } from './lib/environment.js'
import { BadRequest, readJson, sendJson } from './lib/http.js'
import { Inventory } from './lib/inventory-client.js'
import { closeHttp, log, onShutdown } from './lib/lifecycle.js'
import { Prices } from './lib/prices-client.js'
import { RedisClient } from './lib/redis-client.js'

const PORT = number('PORT', 8_080, 1, 65_535)

const inventory = new Inventory(text('INVENTORY_ADDRESS', 'inventory:50051'))
const prices = new Prices(text('PRICES_URL', 'http://prices'))
const cache = new RedisClient(hostPort('CACHE_ADDRESS', 'cache:6379'))

/** The cache is a convenience: without it the shop still sells, it only forgets what was looked at. */
async function remember(...command) {
  try {
    return await cache.command(...command)
  } catch {
    return undefined
  }
}

async function home() {
  const visits = await remember('INCR', 'visits')
  return { status: 200, body: { shop: 'weft demo', visits, last: await remember('GET', 'last-item') } }
}

async function catalog(_request, [, itemId]) {
  const [stock, price, views] = await Promise.all([
    inventory.getStock({ itemId }),
    prices.price(itemId),
    remember('INCR', `views:${itemId}`),
    remember('SET', 'last-item', itemId),
  ])
  return { status: 200, body: { itemId, available: stock.available, replica: stock.replica, ...price, views } }
}

async function checkout(request) {
  const { itemId, quantity } = await readJson(request)
  if (typeof itemId !== 'string' || !Number.isInteger(quantity) || quantity < 1) {
    throw new BadRequest(400, 'a checkout is {"itemId": "book-1", "quantity": 1}')
  }
  const lines = [{ itemId, quantity }]
  const quote = await prices.quote(lines)
  await inventory.reserve({ itemId, quantity })
  const order = await prices.order(lines)
  await remember('DEL', `views:${itemId}`)
  return { status: 201, body: { ...quote, order: order.order } }
}

async function live(_request, [, itemId]) {
  return { status: 200, body: { updates: await inventory.watchStock({ itemId, updates: 3 }) } }
}

async function restock(_request, [, itemId]) {
  const deliveries = [1, 2, 3].map((quantity) => ({ itemId, quantity }))
  return { status: 200, body: await inventory.restock(deliveries) }
}

async function audit(_request, [, itemId]) {
  return { status: 200, body: { differences: await inventory.audit([{ itemId, quantity: 1 }]) } }
}

const ROUTES = [
  { method: 'GET', path: /^\/$/, handle: home },
  { method: 'GET', path: /^\/catalog\/([a-z0-9-]{1,64})$/, handle: catalog },
  { method: 'POST', path: /^\/checkout$/, handle: checkout },
  { method: 'GET', path: /^\/live\/([a-z0-9-]{1,64})$/, handle: live },
  { method: 'POST', path: /^\/restock\/([a-z0-9-]{1,64})$/, handle: restock },
  { method: 'POST', path: /^\/audit\/([a-z0-9-]{1,64})$/, handle: audit },
]

async function answer(request) {
  for (const { method, path, handle } of ROUTES) {
    const match = request.method === method ? path.exec(request.url) : null
    if (match !== null) return handle(request, match)
  }
  throw new BadRequest(404, `no ${request.method} ${request.url}`)
}

/** A failed dependency is a bad gateway; what the caller did wrong stays the caller's. */
function statusOf(error) {
  if (error instanceof BadRequest) return error.status
  return error.code === grpc.status.FAILED_PRECONDITION ? 409 : 502
}

const server = createServer(async (request, response) => {
  if (request.url === '/healthz') return sendJson(response, 200, { ready: true })
  try {
    const { status, body } = await answer(request)
    sendJson(response, status, body)
  } catch (error) {
    sendJson(response, statusOf(error), { error: error.message })
  }
})

server.listen(PORT, () => log('web', `on port ${PORT}`))
onShutdown('web', async () => {
  await closeHttp(server)
  inventory.close()
  cache.close()
  await prices.close()
})
