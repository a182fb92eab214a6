/**
 * `load`: customers of the shop. An open loop: a request starts every 1/RATE_PER_SECOND seconds whether or not
 * the one before was answered, over kept-alive connections.
 */
import { Pool } from 'undici'
import { number, text } from './lib/environment.js'
import { log, onShutdown } from './lib/lifecycle.js'

const TARGET = text('TARGET_URL', 'http://web.shop.svc.cluster.local')
const RATE_PER_SECOND = number('RATE_PER_SECOND', 80, 0.1, 10_000)
const CONNECTIONS = 16

/** Above this many unanswered requests a customer goes away instead of waiting. */
const MAX_IN_FLIGHT = 200
const TIMEOUT_MS = 10_000
const REPORT_EVERY_MS = 10_000
const ITEMS = 200

const json = { 'content-type': 'application/json' }

/** What customers do; the shares need not add up to anything. */
const ACTIONS = [
  { share: 70, make: (item) => ({ method: 'GET', path: `/catalog/${item}` }) },
  { share: 15, make: () => ({ method: 'GET', path: '/' }) },
  {
    share: 8,
    make: (item) => ({
      method: 'POST',
      path: '/checkout',
      headers: json,
      body: JSON.stringify({ itemId: item, quantity: 1 }),
    }),
  },
  { share: 3, make: (item) => ({ method: 'GET', path: `/live/${item}` }) },
  { share: 2, make: (item) => ({ method: 'POST', path: `/restock/${item}` }) },
  { share: 2, make: (item) => ({ method: 'POST', path: `/audit/${item}` }) },
]
const SHARES = ACTIONS.reduce((sum, { share }) => sum + share, 0)

function pickAction() {
  let at = Math.random() * SHARES
  for (const action of ACTIONS) {
    at -= action.share
    if (at < 0) return action
  }
  return ACTIONS[0]
}

const pool = new Pool(TARGET, { connections: CONNECTIONS, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS })
const counts = { sent: 0, succeeded: 0, failed: 0, unreachable: 0, skipped: 0 }
let inFlight = 0

async function shop() {
  if (inFlight >= MAX_IN_FLIGHT) {
    counts.skipped++
    return
  }
  inFlight++
  counts.sent++
  try {
    const item = `item-${Math.floor(Math.random() * ITEMS)}`
    const { statusCode, body } = await pool.request(pickAction().make(item))
    await body.dump()
    if (statusCode < 500) counts.succeeded++
    else counts.failed++
  } catch {
    counts.unreachable++
  } finally {
    inFlight--
  }
}

const startedAtMs = performance.now()
let started = 0
// Timers are late by a millisecond or two; what is due is counted from the start, so the rate does not drift.
const ticker = setInterval(() => {
  const due = Math.floor(((performance.now() - startedAtMs) / 1_000) * RATE_PER_SECOND)
  // After a stall the missed requests are dropped, a burst would measure the stall and not the shop.
  if (due - started > RATE_PER_SECOND) started = due - 1
  while (started < due) {
    started++
    void shop()
  }
}, 5)

const reporter = setInterval(() => log('load', JSON.stringify(counts)), REPORT_EVERY_MS)

log('load', `${RATE_PER_SECOND} requests per second to ${TARGET}`)
onShutdown('load', async () => {
  clearInterval(ticker)
  clearInterval(reporter)
  await pool.close()
  log('load', JSON.stringify(counts))
})
