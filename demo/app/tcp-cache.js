/** The part of Redis that the demo uses, over plain TCP: PING, GET, SET, INCR, DEL. Bounded, in memory only. */
import { createServer } from 'node:net'
import { number } from './lib/environment.js'
import { log, onShutdown } from './lib/lifecycle.js'
import { MAX_BULK_BYTES, readValue } from './lib/resp.js'

const PORT = number('PORT', 6_379, 1, 65_535)

/** The oldest key makes room for a new one. */
const MAX_KEYS = 100_000
const MAX_CONNECTIONS = 1_000

const values = new Map()

function store(key, value) {
  values.delete(key)
  if (values.size >= MAX_KEYS) values.delete(values.keys().next().value)
  values.set(key, value)
}

const COMMANDS = new Map([
  ['PING', { length: 1, run: () => '+PONG\r\n' }],
  ['GET', { length: 2, run: ([, key]) => bulk(values.get(key)) }],
  [
    'SET',
    {
      length: 3,
      run: ([, key, value]) => {
        store(key, value)
        return '+OK\r\n'
      },
    },
  ],
  [
    'INCR',
    {
      length: 2,
      run: ([, key]) => {
        const next = Number(values.get(key) ?? 0) + 1
        if (!Number.isSafeInteger(next)) return '-ERR value is not an integer or out of range\r\n'
        store(key, String(next))
        return `:${next}\r\n`
      },
    },
  ],
  ['DEL', { length: 2, run: ([, key]) => `:${values.delete(key) ? 1 : 0}\r\n` }],
])

function bulk(value) {
  return value === undefined ? '$-1\r\n' : `$${Buffer.byteLength(value)}\r\n${value}\r\n`
}

function run(parts) {
  if (!Array.isArray(parts) || typeof parts[0] !== 'string') return '-ERR a command is an array of strings\r\n'
  const command = COMMANDS.get(parts[0].toUpperCase())
  if (command === undefined) return `-ERR unknown command '${parts[0].slice(0, 32).replaceAll(/[\r\n]/g, ' ')}'\r\n`
  if (parts.length !== command.length) return '-ERR wrong number of arguments\r\n'
  return command.run(parts)
}

const connections = new Set()
const server = createServer((socket) => {
  connections.add(socket)
  let received = Buffer.alloc(0)
  socket.on('data', (chunk) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
    let at = 0
    let replies = ''
    try {
      while (at < received.length) {
        const command = readValue(received, at)
        if (command === undefined) break
        at = command.next
        replies += run(command.value)
      }
    } catch (error) {
      return socket.end(`${replies}-ERR Protocol error: ${error.message}\r\n`)
    }
    received = received.subarray(at)
    if (received.length > 2 * MAX_BULK_BYTES) return socket.end(`${replies}-ERR Protocol error: command too long\r\n`)
    if (replies !== '' && !socket.write(replies)) {
      socket.pause()
      socket.once('drain', () => socket.resume())
    }
  })
  socket.on('error', () => socket.destroy())
  socket.on('close', () => connections.delete(socket))
})

server.maxConnections = MAX_CONNECTIONS
server.listen(PORT, () => log('cache', `on port ${PORT}`))
onShutdown('cache', () => {
  for (const socket of connections) socket.end()
  return new Promise((resolve) => server.close(resolve))
})
