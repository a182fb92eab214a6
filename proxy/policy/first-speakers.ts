/**
 * Who speaks first at a server: what connections to it have shown. A server that greets is dialled at once the next time; one
 * that waits for its clients, as HTTP servers do, is not dialled ahead of them.
 *
 * Only what servers do is evidence. A client could otherwise teach a proxy that a port is not what it is.
 */
export type FirstSpeaker = 'server' | 'client'

export const MAX_REMEMBERED = 1_024
/** Since the last greeting; every greeting renews it. */
export const GREETS_FOR_MS = 600_000
/** A server may have been slow once. */
export const WAITS_FOR_MS = 60_000

interface Memory {
  readonly speaker: FirstSpeaker
  readonly untilMs: number
}

export class FirstSpeakers {
  /** The one learnt longest ago comes first. */
  readonly #byServer = new Map<string, Memory>()

  /** `undefined`: not known, or too long ago. */
  of(server: string, nowMs: number): FirstSpeaker | undefined {
    const memory = this.#byServer.get(server)
    if (memory === undefined) return undefined
    if (memory.untilMs > nowMs) return memory.speaker
    this.#byServer.delete(server)
    return undefined
  }

  learn(server: string, speaker: FirstSpeaker, nowMs: number): void {
    // A greeting proves more than a silence, which may only be slowness.
    if (speaker === 'client' && this.of(server, nowMs) === 'server') return
    this.#byServer.delete(server)
    if (this.#byServer.size >= MAX_REMEMBERED) this.#byServer.delete(this.#byServer.keys().next().value!)
    this.#byServer.set(server, { speaker, untilMs: nowMs + (speaker === 'server' ? GREETS_FOR_MS : WAITS_FOR_MS) })
  }
}
