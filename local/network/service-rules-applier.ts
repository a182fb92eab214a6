/** Keeps the node's rules for service addresses up to date: one change at a time, the latest state always. */
import type { ResourceStore } from '../../control/resources/store.ts'
import { run } from '../run.ts'
import type { Tools } from '../tools.ts'
import { renderIptables, renderNft, serviceTargets } from './service-rules.ts'

export class ServiceRules {
  readonly #store: ResourceStore
  readonly #tools: Tools
  readonly #say: (sentence: string) => void
  #applied = ''
  #isDirty = false
  #isRunning = false

  constructor(store: ResourceStore, tools: Tools, say: (sentence: string) => void) {
    this.#store = store
    this.#tools = tools
    this.#say = say
  }

  changed(): void {
    this.#isDirty = true
    if (!this.#isRunning) void this.#apply()
  }

  async #apply(): Promise<void> {
    this.#isRunning = true
    while (this.#isDirty) {
      this.#isDirty = false
      const targets = serviceTargets(this.#store.list('Service'), this.#store.list('EndpointSlice'))
      const { nft, iptablesRestore } = this.#tools
      const text = nft !== undefined ? renderNft(targets) : renderIptables(targets)
      if (text === this.#applied) continue
      const { code, stderr } =
        nft !== undefined ? await run(nft, ['-f', '-'], text) : await run(iptablesRestore!, [], text)
      if (code === 0) this.#applied = text
      else
        this.#say(
          `the rules for service addresses could not be applied, unmeshed pods keep the last ones: ${stderr.trim()}`,
        )
    }
    this.#isRunning = false
  }
}
