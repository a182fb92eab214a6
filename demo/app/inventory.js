/**
 * `inventory`: the shop's gRPC service. One program for three kinds of replica, as the manifest sets it:
 * DELAY_MS makes one slow, FAILURE_SHARE makes one fail that share of its calls.
 */
import { createServer } from 'node:http'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import grpc from '@grpc/grpc-js'
import protoLoader from '@grpc/proto-loader'
import { number, text } from './lib/environment.js'
import { closeHttp, log, onShutdown } from './lib/lifecycle.js'

const PORT = number('PORT', 50_051, 1, 65_535)
const HEALTH_PORT = number('HEALTH_PORT', 8_081, 1, 65_535)
const DELAY_MS = number('DELAY_MS', 0, 0, 60_000)
const FAILURE_SHARE = number('FAILURE_SHARE', 0, 0, 1)
const REPLICA = text('POD_NAME', hostname())

/** Stock that was never touched; each replica keeps its own books, the demo needs no database. */
const INITIAL_STOCK = 1_000
const MAX_ITEMS = 10_000
const MAX_WATCH_UPDATES = 100
const WATCH_INTERVAL_MS = 50

const stock = new Map()
let calls = 0

const read = (itemId) => ({ itemId, available: stock.get(itemId) ?? INITIAL_STOCK, replica: REPLICA })

function change(itemId, by) {
  if (!stock.has(itemId) && stock.size >= MAX_ITEMS) stock.delete(stock.keys().next().value)
  stock.set(itemId, Math.max(0, (stock.get(itemId) ?? INITIAL_STOCK) + by))
}

/** The behaviour of this replica: waits, then fails its share of calls, one in two of them either way. */
async function misbehave() {
  calls++
  if (DELAY_MS > 0) await sleep(DELAY_MS * (0.75 + Math.random() / 2))
  if (Math.random() >= FAILURE_SHARE) return
  const code = Math.random() < 0.5 ? grpc.status.UNAVAILABLE : grpc.status.INTERNAL
  throw { code, details: `replica ${REPLICA} lost its database for a moment` }
}

/** For a rejection that is reported elsewhere. */
function noop() {}

function unary(answer) {
  return (call, callback) => {
    misbehave()
      .then(() => answer(call.request))
      .then((reply) => callback(null, reply), callback)
  }
}

const service = {
  getStock: unary(({ itemId }) => read(itemId)),

  reserve: unary(({ itemId, quantity }) => {
    if (read(itemId).available < quantity) {
      throw { code: grpc.status.FAILED_PRECONDITION, details: `fewer than ${quantity} of ${itemId} are left` }
    }
    change(itemId, -quantity)
    return read(itemId)
  }),

  async watchStock(call) {
    try {
      await misbehave()
      const updates = Math.min(call.request.updates, MAX_WATCH_UPDATES)
      for (let sent = 0; sent < updates && !call.cancelled; sent++) {
        if (sent > 0) await sleep(WATCH_INTERVAL_MS)
        call.write(read(call.request.itemId))
      }
      call.end()
    } catch (error) {
      call.emit('error', error)
    }
  },

  async restock(call, callback) {
    const summary = { deliveries: 0, items: 0 }
    try {
      for await (const { itemId, quantity } of call) {
        change(itemId, quantity)
        summary.deliveries++
        summary.items += quantity
      }
      await misbehave()
      callback(null, summary)
    } catch (error) {
      callback(error)
    }
  },

  audit(call) {
    // Events, not `for await`: the loop would destroy the call, its sending half included, when the requests end.
    const misbehaved = misbehave()
    misbehaved.catch((error) => call.emit('error', error))
    call.on('data', ({ itemId, quantity }) => {
      const missing = read(itemId).available - quantity
      if (missing !== 0) call.write({ itemId, missing })
    })
    call.on('end', () => misbehaved.then(() => call.end(), noop))
  },
}

const definition = protoLoader.loadSync(new URL('../proto/inventory.proto', import.meta.url).pathname)
const server = new grpc.Server()
server.addService(grpc.loadPackageDefinition(definition).shop.inventory.v1.Inventory.service, service)

let isReady = false
const health = createServer((_request, response) => response.writeHead(isReady ? 200 : 503).end())
health.listen(HEALTH_PORT)

server.bindAsync(`[::]:${PORT}`, grpc.ServerCredentials.createInsecure(), (error) => {
  if (error) {
    process.stderr.write(`inventory: port ${PORT} cannot be used: ${error.message}\n`)
    process.exit(1)
  }
  isReady = true
  log('inventory', `${REPLICA} on port ${PORT}, delay ${DELAY_MS} ms, failing ${FAILURE_SHARE * 100} % of calls`)
})

onShutdown('inventory', async () => {
  isReady = false
  await new Promise((resolve) => server.tryShutdown(resolve))
  await closeHttp(health)
  log('inventory', `${calls} calls answered`)
})
