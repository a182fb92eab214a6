/** Opaque TCP: one endpoint for the life of a connection, then bytes. */
import type { Transport } from '../http/transport.ts'
import type { OpenRaw } from '../io/early-dial.ts'
import { splice } from '../io/splice.ts'
import type { Backend, BackendWaiter } from './backend.ts'
import type { Endpoint } from './endpoint.ts'

/** Connect attempts for one connection, each at another endpoint where there is one: nothing was sent before. */
const MAX_CONNECTS = 3

/** Why there is no connection: the `error` label. */
export type OpaqueError = 'failfast' | 'loadshed' | 'i/o'

export interface OpaqueEnd {
  /** `error` is empty for an orderly end. */
  onEnd(error: string): void
}

/** Connects to an endpoint of `backend`. */
export function openOpaque(backend: Backend, nowMs: () => number): OpenRaw<OpaqueError> {
  return (onOpen, onFailed) => {
    const opening = new OpaqueOpening(backend, nowMs, (upstream) => onOpen(upstream, undefined), onFailed)
    opening.start()
    return opening
  }
}

/** Joins `downstream` to the connection of `open`; its bytes are read only once that is there. */
export function forwardOpaque(downstream: Transport, open: OpenRaw<OpaqueError>, end: OpaqueEnd): void {
  downstream.pause()
  let isOver = false
  let opening: { cancel(): void } | undefined
  downstream.handler = {
    onBytes: () => {},
    onEnd: () => {},
    onDrain: () => {},
    // The application gave up before the endpoint was reached.
    onClose: () => {
      if (isOver) return
      isOver = true
      opening?.cancel()
      end.onEnd('')
    },
  }
  opening = open(
    (upstream, greeting) => {
      isOver = true
      splice(downstream, upstream, { onEnd: (error) => end.onEnd(error === undefined ? '' : 'unexpected') })
      upstream.resume()
      if (greeting !== undefined) upstream.handler.onBytes(greeting, 0, greeting.length)
      downstream.resume()
    },
    (error) => {
      if (isOver) return
      isOver = true
      downstream.destroy()
      end.onEnd(error)
    },
  )
}

class OpaqueOpening implements BackendWaiter {
  readonly #backend: Backend
  readonly #nowMs: () => number
  readonly #onOpen: (upstream: Transport) => void
  readonly #onFailed: (error: OpaqueError) => void
  #connects = 0
  #connecting: { cancel(): void } | undefined = undefined
  isAbandoned = false

  constructor(
    backend: Backend,
    nowMs: () => number,
    onOpen: (upstream: Transport) => void,
    onFailed: (error: OpaqueError) => void,
  ) {
    this.#backend = backend
    this.#nowMs = nowMs
    this.#onOpen = onOpen
    this.#onFailed = onFailed
  }

  start(): void {
    const endpoint = this.#backend.pick(this.#nowMs())
    if (endpoint !== undefined) return this.#connect(endpoint)
    if (!this.#backend.wait(this)) this.#fail('loadshed')
  }

  cancel(): void {
    if (this.isAbandoned) return
    this.isAbandoned = true
    this.#connecting?.cancel()
  }

  // ── BackendWaiter ──

  onEndpointReady(): void {
    if (!this.isAbandoned) this.start()
  }

  onFailFast(): void {
    this.#fail('failfast')
  }

  #connect(endpoint: Endpoint): void {
    this.#connects++
    const startedAtMs = this.#nowMs()
    const failed = (): void => {
      const nowMs = this.#nowMs()
      endpoint.load.failed(nowMs - startedAtMs, nowMs)
      this.#connecting = undefined
    }
    endpoint.load.start(startedAtMs)
    const connecting = endpoint.connectOpaque(
      (upstream) => {
        const nowMs = this.#nowMs()
        endpoint.load.firstByte(nowMs - startedAtMs, nowMs)
        this.#connecting = undefined
        this.isAbandoned = true
        this.#onOpen(upstream)
      },
      () => {
        failed()
        if (this.#connects < MAX_CONNECTS) this.start()
        else this.#fail('i/o')
      },
    )
    this.#connecting = {
      cancel: () => {
        connecting.cancel()
        failed()
      },
    }
  }

  #fail(error: OpaqueError): void {
    if (this.isAbandoned) return
    this.isAbandoned = true
    this.#onFailed(error)
  }
}
