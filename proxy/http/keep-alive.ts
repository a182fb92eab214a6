/** Keep-alive PINGs (RFC 9113 §6.7): finds out that a silent peer is gone. Time comes in as an argument. */
import type { Http2Config } from './http2-config.ts'

export type KeepAliveAction = 'none' | 'ping' | 'dead'

export class KeepAlive {
  readonly #config: Http2Config
  #hasRead = false
  #lastReadAtMs = -1
  #pingSentAtMs = -1

  constructor(config: Http2Config) {
    this.#config = config
  }

  /** Something arrived, whatever it was. No clock is asked: the next `tick` takes its time for it. */
  onRead(): void {
    this.#hasRead = true
  }

  /** What to do at `nowMs`, which never runs backwards. After `ping` the caller sends one. */
  tick(nowMs: number): KeepAliveAction {
    const { keepAliveIntervalMs, keepAliveTimeoutMs } = this.#config
    if (keepAliveIntervalMs === 0) return 'none'
    if (this.#hasRead || this.#lastReadAtMs === -1) {
      this.#hasRead = false
      this.#lastReadAtMs = nowMs
      this.#pingSentAtMs = -1
      return 'none'
    }
    if (this.#pingSentAtMs !== -1) return nowMs - this.#pingSentAtMs >= keepAliveTimeoutMs ? 'dead' : 'none'
    if (nowMs - this.#lastReadAtMs < keepAliveIntervalMs) return 'none'
    this.#pingSentAtMs = nowMs
    return 'ping'
  }
}
