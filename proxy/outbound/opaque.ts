/** Opaque TCP: one endpoint for the life of a connection, then bytes. */
import type { Transport } from '../http/transport.ts'
import type { ConnectError } from '../io/connector.ts'
import { splice } from '../io/splice.ts'
import type { Backend, BackendWaiter } from './backend.ts'
import type { Endpoint } from './endpoint.ts'

/** Connect attempts for one connection, each at another endpoint where there is one: nothing was sent before. */
const MAX_CONNECTS = 3

export interface OpaqueEnd {
  /** `error` is empty for an orderly end. */
  onEnd(error: string): void
}

/** Connects `downstream` to an endpoint of `backend`; its bytes are read only once that is done. */
export class OpaqueForward implements BackendWaiter {
  readonly #downstream: Transport
  readonly #backend: Backend
  readonly #nowMs: () => number
  readonly #end: OpaqueEnd
  #connects = 0
  #connecting: { cancel(): void } | undefined = undefined
  isAbandoned = false

  constructor(downstream: Transport, backend: Backend, nowMs: () => number, end: OpaqueEnd) {
    this.#downstream = downstream
    this.#backend = backend
    this.#nowMs = nowMs
    this.#end = end
  }

  start(): void {
    const downstream = this.#downstream
    downstream.pause()
    downstream.handler = {
      onBytes: () => {},
      onEnd: () => {},
      onDrain: () => {},
      // The application gave up before the endpoint was reached.
      onClose: () => this.#giveUp(''),
    }
    this.#pick()
  }

  // ── BackendWaiter ──

  onEndpointReady(): void {
    if (!this.isAbandoned) this.#pick()
  }

  onFailFast(): void {
    this.#refuse('failfast')
  }

  #pick(): void {
    const endpoint = this.#backend.pick(this.#nowMs())
    if (endpoint !== undefined) return this.#connect(endpoint)
    if (!this.#backend.wait(this)) this.#refuse('loadshed')
  }

  #connect(endpoint: Endpoint): void {
    this.#connects++
    const startedAtMs = this.#nowMs()
    endpoint.load.start(startedAtMs)
    this.#connecting = endpoint.connectOpaque(
      (upstream) => {
        const nowMs = this.#nowMs()
        endpoint.load.firstByte(nowMs - startedAtMs, nowMs)
        this.isAbandoned = true
        splice(this.#downstream, upstream, {
          onEnd: (error) => this.#end.onEnd(error === undefined ? '' : 'unexpected'),
        })
        this.#downstream.resume()
      },
      (error) => {
        const nowMs = this.#nowMs()
        endpoint.load.failed(nowMs - startedAtMs, nowMs)
        this.#onConnectFailed(error)
      },
    )
  }

  #onConnectFailed(_error: ConnectError): void {
    if (this.isAbandoned) return
    if (this.#connects < MAX_CONNECTS) return this.#pick()
    this.#refuse('i/o')
  }

  #refuse(error: string): void {
    if (this.isAbandoned) return
    this.isAbandoned = true
    this.#downstream.destroy()
    this.#end.onEnd(error)
  }

  #giveUp(error: string): void {
    if (this.isAbandoned) return
    this.isAbandoned = true
    this.#connecting?.cancel()
    this.#end.onEnd(error)
  }
}
