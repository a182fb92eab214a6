/** The test's end of an agent (`app/agent.ts`) in a pod: calls go in over `exec`, answers come back. */

import { createInterface } from 'node:readline'
import { PassThrough } from 'node:stream'
import type { ClusterClient } from '../../local/api/client.ts'
import type { CALLS, CallMessage, CallName, ReplyMessage } from './app/agent.ts'
import { AGENT } from './manifests.ts'

type Argument<Name extends CallName> = Parameters<(typeof CALLS)[Name]>[0]
type Value<Name extends CallName> = Awaited<ReturnType<(typeof CALLS)[Name]>>

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
}

/** What an agent wrote to its standard error, as far as it is shown. */
const MAX_STDERR_CHARS = 4_000

export class Agent {
  readonly #stdin = new PassThrough()
  readonly #waiting = new Map<number, Waiting>()
  readonly #name: string
  #stderr = ''
  #nextId = 1
  #hasEnded = false

  constructor(
    client: ClusterClient,
    where: { readonly namespace: string; readonly name: string; readonly container: string },
  ) {
    this.#name = `${where.namespace}/${where.name}`
    const [stdout, stderr] = [new PassThrough(), new PassThrough()]
    createInterface({ input: stdout }).on('line', (line) => this.#onReply(JSON.parse(line) as ReplyMessage))
    stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-MAX_STDERR_CHARS)
    })
    client.exec({ ...where, command: AGENT }, this.#stdin, stdout, stderr).then(
      (code) => this.#onEnd(`ended with ${code}`),
      (error: Error) => this.#onEnd(error.message),
    )
  }

  /** Has the agent do something, and resolves with what came of it. */
  call<Name extends CallName>(call: Name, argument: Argument<Name>): Promise<Value<Name>> {
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      if (this.#hasEnded) return reject(new Error(`the agent in ${this.#name} has ended: ${this.#stderr}`))
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject })
      this.#stdin.write(`${JSON.stringify({ id, call, argument } satisfies CallMessage)}\n`)
    })
  }

  close(): void {
    this.#stdin.end()
  }

  #onReply(reply: ReplyMessage): void {
    const waiting = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if ('error' in reply) waiting?.reject(new Error(`${this.#name}: ${reply.error}`))
    else waiting?.resolve(reply.value)
  }

  #onEnd(how: string): void {
    this.#hasEnded = true
    for (const { reject } of this.#waiting.values())
      reject(new Error(`the agent in ${this.#name} ${how}: ${this.#stderr}`))
    this.#waiting.clear()
  }
}
