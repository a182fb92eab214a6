/**
 * The open streams of one connection by id.
 *
 * Not a Map: one that gains and loses an entry per request makes a new table of itself every few dozen requests, and the old
 * table, once it is old to the garbage collector, keeps the new one and all streams in it for seconds. Half of all requests
 * were carried into the old generation so, and a sixth of the CPU went there.
 *
 * Ids count up by two, so they are spread well as they are; those that meet stand behind one another. A peer that picks ids
 * which all meet makes one look at as many as may be open, no more.
 */
import type { Http2Stream } from './http2-stream.ts'

/** A power of two. Most connections have a handful of streams at a time. */
const MIN_SLOTS = 8

export class OpenStreams {
  /** At most half of them are in use. */
  #slots: (Http2Stream | undefined)[] = new Array(MIN_SLOTS).fill(undefined)
  #size = 0

  get size(): number {
    return this.#size
  }

  get(id: number): Http2Stream | undefined {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let at = (id >>> 1) & mask; ; at = (at + 1) & mask) {
      const stream = slots[at]
      if (stream === undefined || stream.id === id) return stream
    }
  }

  /** Its id is not in use, and stays as it is while the stream is here. */
  add(stream: Http2Stream): void {
    if ((this.#size + 1) * 2 > this.#slots.length) this.#resize(this.#slots.length * 2)
    this.#size++
    this.#put(stream)
  }

  /** False when it is not here. */
  delete(stream: Http2Stream): boolean {
    const slots = this.#slots
    const mask = slots.length - 1
    let hole = (stream.id >>> 1) & mask
    for (; slots[hole] !== stream; hole = (hole + 1) & mask) if (slots[hole] === undefined) return false
    // Who stands behind moves up, unless that would be in front of where its search begins.
    for (let at = (hole + 1) & mask; slots[at] !== undefined; at = (at + 1) & mask) {
      const begin = (slots[at]!.id >>> 1) & mask
      if (((at - begin) & mask) < ((at - hole) & mask)) continue
      slots[hole] = slots[at]
      hole = at
    }
    slots[hole] = undefined
    this.#size--
    return true
  }

  /** All of them in the order of their ids; a list of its own, so that streams may end while it is walked. */
  all(): Http2Stream[] {
    if (this.#size === 0) return []
    return this.#slots.filter((stream) => stream !== undefined).sort((a, b) => a.id - b.id)
  }

  /** Gives back half of what a burst needed; call it every second or so. */
  tidy(): void {
    const { length } = this.#slots
    if (length > MIN_SLOTS && this.#size * 8 < length) this.#resize(length / 2)
  }

  #resize(length: number): void {
    const streams = this.#slots
    this.#slots = new Array(length).fill(undefined)
    for (const stream of streams) if (stream !== undefined) this.#put(stream)
  }

  #put(stream: Http2Stream): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let at = (stream.id >>> 1) & mask
    while (slots[at] !== undefined) at = (at + 1) & mask
    slots[at] = stream
  }
}
