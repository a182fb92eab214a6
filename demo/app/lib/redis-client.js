/**
 * A small Redis client over plain TCP: one connection, commands pipelined in order, reconnected with back-off.
 */
import { connect } from 'node:net'
import { encodeCommand, RespError, readValue } from './resp.js'

/** Commands that wait for an answer; above it a command fails at once instead of queueing without end. */
const MAX_WAITING = 1_000
const COMMAND_TIMEOUT_MS = 1_000
const RECONNECT_MIN_MS = 100
const RECONNECT_MAX_MS = 5_000

export class RedisClient {
  #address
  #socket
  #isConnected = false
  #received = Buffer.alloc(0)
  #waiting = []
  #reconnectMs = RECONNECT_MIN_MS
  #isClosed = false

  constructor(address) {
    this.#address = address
    this.#connect()
  }

  /** Sends one command and resolves to its reply; rejects when the cache is away, slow or says no. */
  command(...parts) {
    return new Promise((resolve, reject) => {
      const { host, port } = this.#address
      if (!this.#isConnected) return reject(new Error(`cache ${host}:${port} is not connected`))
      if (this.#waiting.length >= MAX_WAITING) return reject(new Error(`cache ${host}:${port} is overloaded`))
      const timer = setTimeout(
        () => this.#socket.destroy(new Error(`no answer within ${COMMAND_TIMEOUT_MS} ms`)),
        COMMAND_TIMEOUT_MS,
      )
      this.#waiting.push({ resolve, reject, timer })
      this.#socket.write(encodeCommand(parts))
    })
  }

  close() {
    this.#isClosed = true
    this.#socket.end()
  }

  #connect() {
    this.#received = Buffer.alloc(0)
    this.#socket = connect({ ...this.#address, noDelay: true })
    this.#socket.on('connect', () => {
      this.#isConnected = true
      this.#reconnectMs = RECONNECT_MIN_MS
    })
    this.#socket.on('data', (chunk) => this.#receive(chunk))
    // The reason arrives with 'close', which follows every 'error'.
    let reason = new Error('the cache closed the connection')
    this.#socket.on('error', (error) => {
      reason = error
    })
    this.#socket.on('close', () => this.#lost(reason))
  }

  #receive(chunk) {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    let at = 0
    try {
      while (at < this.#received.length) {
        const reply = readValue(this.#received, at)
        if (reply === undefined) break
        at = reply.next
        this.#settle(reply.value)
      }
    } catch (error) {
      this.#socket.destroy(error)
    }
    this.#received = this.#received.subarray(at)
  }

  #settle(value) {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) throw new Error('the cache answered a command that nobody sent')
    clearTimeout(waiting.timer)
    if (value instanceof RespError) waiting.reject(value)
    else waiting.resolve(value)
  }

  #lost(reason) {
    this.#isConnected = false
    for (const { reject, timer } of this.#waiting.splice(0)) {
      clearTimeout(timer)
      reject(reason)
    }
    if (this.#isClosed) return
    setTimeout(() => this.#connect(), this.#reconnectMs)
    this.#reconnectMs = Math.min(this.#reconnectMs * 2, RECONNECT_MAX_MS)
  }
}
