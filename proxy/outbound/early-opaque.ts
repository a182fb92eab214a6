/** The connection that is opened to an endpoint while the application is silent, for a target whose protocol is detected. */
import type { EarlyDial, EarlyDials, OpenRaw } from '../io/early-dial.ts'
import type { Sniffing } from '../io/sniff.ts'
import type { Backend } from './backend.ts'
import { type OpaqueError, openOpaque } from './opaque.ts'
import type { OpaqueChoice, Target } from './target.ts'

/** A backend that was drawn, and how a connection to it is opened. */
export interface OpaqueWay {
  readonly backend: Backend
  readonly open: OpenRaw<OpaqueError>
}

export class EarlyOpaque {
  readonly #target: Target
  readonly #dial: EarlyDial<OpaqueError> | undefined = undefined
  #backend: Backend | undefined = undefined
  #revision = 0

  constructor(dials: EarlyDials<OpaqueError>, target: Target, nowMs: () => number) {
    this.#target = target
    if (!target.mayDialEarly) return
    this.#dial = dials.begin(`${target.ip} ${target.port}`, (onOpen, onFailed) => {
      const choice: OpaqueChoice = target.mayDialEarly ? target.chooseOpaque() : NOT_ANY_MORE
      if (choice.kind === 'refused') {
        onFailed('i/o')
        return { cancel() {} }
      }
      this.#backend = choice.backend
      this.#revision = target.revision
      return openOpaque(choice.backend, nowMs)(onOpen, onFailed)
    })
  }

  watch(sniffing: Sniffing, onServerFirst: () => void): void {
    this.#dial?.watch(sniffing, 0, onServerFirst)
  }

  /** The early connection, if there is one and nothing has changed since it was dialled; otherwise it is dropped. */
  take(): OpaqueWay | undefined {
    const dial = this.#dial
    const backend = this.#backend
    if (dial?.isUsable && backend !== undefined && this.#revision === this.#target.revision)
      return { backend, open: (onOpen, onFailed) => dial.take(onOpen, onFailed) }
    dial?.drop()
    return undefined
  }

  drop(): void {
    this.#dial?.drop()
  }
}

const NOT_ANY_MORE: OpaqueChoice = { kind: 'refused', error: 'unexpected', reason: 'the policy has changed' }
