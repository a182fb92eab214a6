/**
 * Dials the server while the client is silent: a client that waits for the server's greeting would otherwise wait until
 * detection gives up. Whoever speaks first decides. Does the server, the connection is raw bytes; does the client, detection
 * decides as always, and the early connection is used or closed.
 *
 * One early connection per client's, `maxAtOnce` at a time: silent clients must not double the connections of an application.
 */
import type { Transport } from '../http/transport.ts'
import { FirstSpeakers } from '../policy/first-speakers.ts'
import { isHttpGreeting } from '../wire/greeting.ts'
import type { Sniffing } from './sniff.ts'
import type { Timers } from './timers.ts'

export interface EarlyDialConfig {
  /** A client that has sent nothing for so long may be waiting for the server; 0 never dials early. */
  readonly silenceMs: number
  /** Early connections that nobody uses yet; beyond them clients wait for detection. */
  readonly maxAtOnce: number
}

/** A server that has been silent for so long waits for its clients; its early connection gives way to others. */
export const QUIET_SERVER_MS = 1_000

/** One that cannot connect tries again, once: a busy machine must not cost the client the whole detection timeout. */
const MAX_TRIES = 2

/** What became of an early dial; a metric label. */
export type EarlyDialOutcome =
  /** The server spoke first: raw bytes. */
  | 'server_first'
  /** Detection found no HTTP. */
  | 'used'
  /** The client spoke HTTP, was refused or went away: closed. */
  | 'unused'
  /** The server said what only HTTP servers say: closed. */
  | 'http_server'
  /** No connection, or the server closed it. */
  | 'failed'
  /** It gave way to another one at the bound. */
  | 'displaced'
  /** Not dialled, because the bound was reached. */
  | 'limited'

/**
 * Opens a connection for raw bytes. Exactly one of the callbacks is called, perhaps at once; none after `cancel`. `greeting`
 * is what the server has said already.
 */
export type OpenRaw<E> = (
  onOpen: (upstream: Transport, greeting: Buffer | undefined) => void,
  onFailed: (error: E) => void,
) => { cancel(): void }

/** The early dials of one direction. `E` is how its dials fail. */
export class EarlyDials<E> {
  readonly #config: EarlyDialConfig
  readonly #timers: Timers
  readonly #onOutcome: (outcome: EarlyDialOutcome) => void
  readonly #speakers = new FirstSpeakers()
  /** The oldest first. */
  readonly #dials = new Set<EarlyDial<E>>()

  constructor(config: EarlyDialConfig, timers: Timers, onOutcome: (outcome: EarlyDialOutcome) => void) {
    this.#config = config
    this.#timers = timers
    this.#onOutcome = onOutcome
  }

  get size(): number {
    return this.#dials.size
  }

  /**
   * For a connection that was just accepted; `undefined` where nothing will be dialled early.
   *
   * @param server what is learnt about is known by this name
   */
  begin(server: string, open: OpenRaw<E>): EarlyDial<E> | undefined {
    const { silenceMs } = this.#config
    if (silenceMs === 0) return undefined
    const speaker = this.#speakers.of(server, this.#timers.nowMs())
    if (speaker === 'client') return undefined
    return new EarlyDial(open, this.#timers, silenceMs, speaker === 'server', {
      tryStart: (dial) => this.#tryStart(dial),
      learn: (first) => this.#speakers.learn(server, first, this.#timers.nowMs()),
      onOver: (dial, outcome) => this.#onOver(dial, outcome),
    })
  }

  #tryStart(dial: EarlyDial<E>): boolean {
    if (this.#dials.size >= this.#config.maxAtOnce) {
      const [oldest] = this.#dials
      if (oldest === undefined || !oldest.isQuiet) {
        this.#onOutcome('limited')
        return false
      }
      oldest.displace()
    }
    this.#dials.add(dial)
    return true
  }

  #onOver(dial: EarlyDial<E>, outcome: EarlyDialOutcome): void {
    this.#dials.delete(dial)
    this.#onOutcome(outcome)
  }
}

interface Owner<E> {
  tryStart(dial: EarlyDial<E>): boolean
  learn(first: 'server' | 'client'): void
  onOver(dial: EarlyDial<E>, outcome: EarlyDialOutcome): void
}

const NOTHING = (): void => {}

/** The early dial of one connection. Whoever began it ends it: `take`, or `drop`. */
export class EarlyDial<E> {
  readonly #open: OpenRaw<E>
  readonly #timers: Timers
  readonly #owner: Owner<E>
  readonly #silenceMs: number
  readonly #beganAtMs: number
  readonly #isAtOnce: boolean
  #state: 'waiting' | 'dialling' | 'open' | 'over' = 'waiting'
  #tries = 0
  #sniffing: Sniffing | undefined = undefined
  #onServerFirst: () => void = NOTHING
  /** The greeting waits until then. */
  #heldUntilMs = 0
  #connecting: { cancel(): void } | undefined = undefined
  #upstream: Transport | undefined = undefined
  #greeting: Buffer | undefined = undefined
  #isQuiet = false
  #stopTimer: () => void = NOTHING
  /** Who took the connection before it was open. */
  #taker: { onOpen: (upstream: Transport) => void; onFailed: (error: E) => void } | undefined = undefined

  constructor(open: OpenRaw<E>, timers: Timers, silenceMs: number, isAtOnce: boolean, owner: Owner<E>) {
    this.#open = open
    this.#timers = timers
    this.#silenceMs = silenceMs
    this.#isAtOnce = isAtOnce
    this.#owner = owner
    this.#beganAtMs = timers.nowMs()
  }

  /**
   * Follows one look at the client; a later look takes its place. `onServerFirst` is called when the server speaks while the
   * client has not: it stops the look and takes the connection, or drops it.
   *
   * @param holdMs a greeting waits until the connection is so old: the client may have spoken already
   */
  watch(sniffing: Sniffing, holdMs: number, onServerFirst: () => void): void {
    if (this.#state === 'over' || sniffing.isOver) return
    this.#sniffing = sniffing
    this.#onServerFirst = onServerFirst
    this.#heldUntilMs = this.#beganAtMs + holdMs
    if (this.#state === 'waiting') {
      if (this.#isAtOnce) this.#dial()
      else this.#after(this.#silenceMs, () => this.#dial())
    } else if (this.#greeting !== undefined) this.#greet()
  }

  /** Open, and its server has not said anything for a while. */
  get isQuiet(): boolean {
    return this.#isQuiet
  }

  /** There is a connection, or will be: `take` gives it. */
  get isUsable(): boolean {
    return this.#state === 'dialling' || this.#state === 'open'
  }

  /** Hands the connection over. Only while `isUsable`. */
  take(onOpen: (upstream: Transport, greeting: Buffer | undefined) => void, onFailed: (error: E) => void) {
    const upstream = this.#upstream
    const greeting = this.#greeting
    const connecting = this.#connecting
    this.#end(greeting !== undefined && this.#sniffing?.bytes === 0 ? 'server_first' : 'used')
    if (upstream === undefined) {
      this.#taker = { onOpen: (opened) => onOpen(opened, undefined), onFailed }
      return { cancel: () => connecting?.cancel() }
    }
    onOpen(upstream, greeting)
    return { cancel() {} }
  }

  /** Nobody needs it any more. */
  drop(): void {
    this.#close('unused')
  }

  displace(): void {
    this.#close('displaced')
  }

  #dial(): void {
    if (this.#sniffing?.isOver || this.#sniffing?.bytes !== 0) return
    if (!this.#owner.tryStart(this)) {
      this.#state = 'over'
      return
    }
    this.#state = 'dialling'
    this.#tries++
    this.#connecting = this.#open(
      (upstream) => this.#onOpen(upstream),
      (error) => this.#onFailed(error),
    )
  }

  #onFailed(error: E): void {
    if (this.#taker !== undefined) return this.#taker.onFailed(error)
    if (this.#state === 'over') return
    if (this.#tries >= MAX_TRIES) return this.#close('failed')
    this.#state = 'waiting'
    this.#owner.onOver(this, 'failed')
    this.#after(this.#silenceMs, () => this.#dial())
  }

  #onOpen(upstream: Transport): void {
    if (this.#taker !== undefined) return this.#taker.onOpen(upstream)
    this.#state = 'open'
    this.#upstream = upstream
    upstream.handler = {
      onBytes: (buf, start, end) => this.#onBytes(buf.subarray(start, end)),
      onEnd: () => this.#close('failed'),
      onDrain() {},
      onClose: () => this.#close('failed'),
    }
    this.#after(QUIET_SERVER_MS, () => {
      this.#isQuiet = true
      this.#owner.learn('client')
    })
  }

  #onBytes(bytes: Buffer): void {
    // They stand in a buffer that all connections share.
    this.#greeting = this.#greeting === undefined ? Buffer.from(bytes) : Buffer.concat([this.#greeting, bytes])
    this.#upstream!.pause()
    this.#stopTimer()
    this.#isQuiet = false
    if (isHttpGreeting(this.#greeting)) {
      this.#owner.learn('client')
      return this.#close('http_server')
    }
    this.#owner.learn('server')
    this.#greet()
  }

  #greet(): void {
    const waitMs = this.#heldUntilMs - this.#timers.nowMs()
    if (waitMs > 0) return this.#after(waitMs, () => this.#greet())
    // A client that has spoken meanwhile is for detection to judge, and the greeting waits for its verdict.
    if (this.#sniffing?.isOver || this.#sniffing?.bytes !== 0) return
    this.#onServerFirst()
  }

  #close(outcome: EarlyDialOutcome): void {
    if (this.#state === 'over') return
    const connecting = this.#connecting
    const upstream = this.#upstream
    this.#end(outcome)
    connecting?.cancel()
    if (upstream === undefined) return
    upstream.handler = { onBytes() {}, onEnd() {}, onDrain() {}, onClose() {} }
    upstream.destroy()
  }

  #end(outcome: EarlyDialOutcome): void {
    const wasDialled = this.#state !== 'waiting'
    this.#state = 'over'
    this.#stopTimer()
    this.#stopTimer = NOTHING
    this.#connecting = undefined
    this.#upstream = undefined
    this.#greeting = undefined
    // Connections live long, and their first bytes hang on the look.
    this.#sniffing = undefined
    this.#onServerFirst = NOTHING
    if (wasDialled) this.#owner.onOver(this, outcome)
  }

  #after(delayMs: number, run: () => void): void {
    this.#stopTimer()
    this.#stopTimer = this.#timers.after(delayMs, run)
  }
}
