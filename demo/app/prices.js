/**
 * `prices`: the shop's plain HTTP/1 service, described by openapi/prices.yaml. It fails FAILURE_SHARE of its
 * calls, half of them with 500 and half with 503.
 */
import { createServer } from 'node:http'
import { number } from './lib/environment.js'
import { BadRequest, readJson, sendJson } from './lib/http.js'
import { closeHttp, log, onShutdown } from './lib/lifecycle.js'

const PORT = number('PORT', 8_080, 1, 65_535)
const FAILURE_SHARE = number('FAILURE_SHARE', 0, 0, 1)

const MAX_LINES = 100
const ITEM_ID = /^[a-z0-9-]{1,64}$/

/** A price that stays the same for an item, without a database. */
function priceCents(itemId) {
  let hash = 17
  for (const character of itemId) hash = (hash * 31 + character.charCodeAt(0)) % 9_900
  return 100 + hash
}

function totalCents({ lines }) {
  if (!Array.isArray(lines) || lines.length === 0 || lines.length > MAX_LINES) {
    throw new BadRequest(400, `"lines" is not a list of 1 to ${MAX_LINES} entries`)
  }
  let total = 0
  for (const { itemId, quantity } of lines) {
    if (!ITEM_ID.test(itemId)) throw new BadRequest(400, `"${itemId}" is not an item`)
    if (!Number.isInteger(quantity) || quantity < 1) throw new BadRequest(400, `"${quantity}" is not a quantity`)
    total += priceCents(itemId) * quantity
  }
  return total
}

let orders = 0

const ROUTES = [
  {
    method: 'GET',
    path: /^\/v1\/prices\/([a-z0-9-]{1,64})$/,
    handle: (_request, [, itemId]) => ({ status: 200, body: { itemId, priceCents: priceCents(itemId) } }),
  },
  {
    method: 'POST',
    path: /^\/v1\/quotes$/,
    handle: async (request) => ({ status: 200, body: { totalCents: totalCents(await readJson(request)) } }),
  },
  {
    method: 'POST',
    path: /^\/v1\/orders$/,
    handle: async (request) => {
      const total = totalCents(await readJson(request))
      return { status: 201, body: { order: ++orders, totalCents: total } }
    },
  },
]

async function answer(request) {
  for (const { method, path, handle } of ROUTES) {
    const match = request.method === method ? path.exec(request.url) : null
    if (match === null) continue
    if (Math.random() < FAILURE_SHARE) {
      request.resume()
      return Math.random() < 0.5
        ? { status: 500, body: { error: 'the price list could not be read' } }
        : { status: 503, body: { error: 'too many at once' } }
    }
    return handle(request, match)
  }
  return { status: 404, body: { error: `no ${request.method} ${request.url}` } }
}

const server = createServer(async (request, response) => {
  if (request.url === '/healthz') return sendJson(response, 200, { ready: true })
  try {
    const { status, body } = await answer(request)
    sendJson(response, status, body)
  } catch (error) {
    sendJson(response, error instanceof BadRequest ? error.status : 500, { error: error.message })
  }
})

server.listen(PORT, () => log('prices', `on port ${PORT}, failing ${FAILURE_SHARE * 100} % of calls`))
onShutdown('prices', () => closeHttp(server))
