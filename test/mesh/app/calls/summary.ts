/** What became of many requests: how many succeeded, who answered them, and the first failures word for word. */

export interface SummaryReport {
  readonly succeeded: number
  readonly failed: number
  /** Successes by the pod that answered. */
  readonly byPod: Readonly<Record<string, number>>
  readonly failures: readonly string[]
}

const MAX_FAILURES = 10

export class Summary {
  #succeeded = 0
  #failed = 0
  readonly #byPod = new Map<string, number>()
  readonly #failures: string[] = []

  success(pod: string): void {
    this.#succeeded++
    this.#byPod.set(pod, (this.#byPod.get(pod) ?? 0) + 1)
  }

  failure(what: string): void {
    this.#failed++
    if (this.#failures.length < MAX_FAILURES) this.#failures.push(`${new Date().toISOString()} ${what}`)
  }

  report(): SummaryReport {
    return {
      succeeded: this.#succeeded,
      failed: this.#failed,
      byPod: Object.fromEntries([...this.#byPod].sort()),
      failures: this.#failures,
    }
  }
}

/** Runs `task` `count` times, `concurrency` at once. */
export async function inParallel(count: number, concurrency: number, task: (index: number) => Promise<void>) {
  let next = 0
  const worker = async () => {
    while (next < count) await task(next++)
  }
  await Promise.all(Array.from({ length: Math.min(count, concurrency) }, worker))
}
