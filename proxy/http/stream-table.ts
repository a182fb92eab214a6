/**
 * The streams of one connection by their ids (RFC 9113 §5.1.1), and what is still known of the ones that are gone.
 *
 * The RFC treats a late frame by how its stream ended. Nobody can remember every stream, so only recent ends are kept: a
 * peer is blamed for what can be proved, and everything older gets the mildest answer.
 */
import { ConnectionError, ErrorCode } from '../wire/connection-error.ts'
import { HTTP2_BOUNDS } from './http2-config.ts'
import { OpenStreams } from './open-streams.ts'

export const MAX_STREAM_ID = 0x7fff_ffff
/** Streams that ended in order, remembered; a power of two. */
const MAX_REMEMBERED_ENDS = 32

/** What is known of a stream that is not open. */
export const Gone = {
  /** Never used; nobody may send on it but to open it. */
  idle: 0,
  /** We reset it: frames that were on their way are nobody's fault. */
  resetByUs: 1,
  resetByPeer: 2,
  /** Both sides said END_STREAM. */
  ended: 3,
  /** The peer used a higher id first, which closed this one unused (RFC 9113 §5.1.1). */
  skipped: 4,
  forgotten: 5,
} as const
export type Gone = (typeof Gone)[keyof typeof Gone]

export class StreamTable {
  readonly open = new OpenStreams()
  /** The id our next stream gets; only clients open streams here. */
  nextOwnId = 1
  /** Our streams that are open, or were handed out and are about to send their head. */
  ownCount = 0
  /** The highest id the peer has used. */
  lastPeerId = 0
  /** The highest id whose request was taken; what GOAWAY tells. */
  lastTakenId = 0
  readonly #isServer: boolean
  readonly #resetByUs = new Set<number>()
  readonly #resetByPeer = new Set<number>()
  readonly #ended = new Int32Array(MAX_REMEMBERED_ENDS)
  #endedCount = 0
  #skippedFrom = 0
  #skippedTo = 0

  constructor(isServer: boolean) {
    this.#isServer = isServer
  }

  /** The peer opens stream `id`, which is higher than every one before. */
  usePeerId(id: number): void {
    if (id > this.lastPeerId + 2 && this.lastPeerId !== 0) {
      this.#skippedFrom = this.lastPeerId + 2
      this.#skippedTo = id - 2
    } else if (this.lastPeerId === 0 && id > 2) {
      this.#skippedFrom = 1
      this.#skippedTo = id - 2
    }
    this.lastPeerId = id
  }

  rememberEnd(id: number): void {
    this.#ended[this.#endedCount++ & (MAX_REMEMBERED_ENDS - 1)] = id
  }

  rememberReset(id: number, isByUs: boolean): void {
    const ids = isByUs ? this.#resetByUs : this.#resetByPeer
    if (ids.size >= HTTP2_BOUNDS.maxRememberedResets) ids.delete(ids.values().next().value!)
    ids.add(id)
  }

  /** What became of stream `id`, which is not in `open`. */
  fateOf(id: number): Gone {
    if (this.#isIdle(id)) return Gone.idle
    if (this.#resetByUs.has(id)) return Gone.resetByUs
    if (this.#resetByPeer.has(id)) return Gone.resetByPeer
    if (this.#ended.includes(id)) return Gone.ended
    if (id >= this.#skippedFrom && id <= this.#skippedTo) return Gone.skipped
    return Gone.forgotten
  }

  /** @throws ConnectionError PROTOCOL_ERROR for a frame that nobody may send on an idle stream (RFC 9113 §5.1) */
  requireUsed(id: number, frame: string): void {
    if (!this.#isIdle(id)) return
    throw new ConnectionError(ErrorCode.protocolError, `stream ${id}: ${frame} on an idle stream (RFC 9113 §5.1)`)
  }

  #isIdle(id: number): boolean {
    const isOwn = (id % 2 === 1) !== this.#isServer
    return isOwn ? id >= this.nextOwnId : id > this.lastPeerId
  }
}
