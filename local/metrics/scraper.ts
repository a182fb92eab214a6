/** Asks every proxy for its metrics once a second, from the node as a Prometheus in the cluster would. */
import { get } from 'node:http'
import type { Pod } from '../../api/resources/pod.ts'
import { Port } from '../../api/vocabulary.ts'
import type { ResourceStore } from '../../control/resources/store.ts'
import { isPodReady } from '../cluster/endpoints.ts'
import { isInjected, workloadOf } from '../mesh-labels.ts'
import { MetricsHistory, type Page } from './history.ts'
import { type PodRow, type Report, report } from './report.ts'

const PERIOD_MS = 1_000
const TIMEOUT_MS = 900
const MAX_PAGE_BYTES = 16 * 1024 * 1024

export class Scraper {
  readonly #store: ResourceStore
  readonly #history = new MetricsHistory()
  readonly #nowMs: () => number
  #timer: NodeJS.Timeout | undefined
  #startedAtMs = 0
  #isClosed = false

  constructor(store: ResourceStore, nowMs: () => number = Date.now) {
    this.#store = store
    this.#nowMs = nowMs
  }

  start(): void {
    this.#startedAtMs = this.#nowMs()
    void this.#round()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  /** What happened after `sinceMs`. */
  report(sinceMs: number): Report {
    const periodMs = this.#nowMs() - Math.max(sinceMs, this.#startedAtMs)
    const pods = this.#store.list('Pod').map(
      (pod): PodRow => ({
        name: pod.metadata.name,
        namespace: pod.metadata.namespace,
        injected: isInjected(pod),
        ready: isPodReady(pod),
      }),
    )
    return report(this.#history.since(sinceMs), pods, periodMs)
  }

  async #round(): Promise<void> {
    const startedAtMs = this.#nowMs()
    const pods = this.#store.list('Pod').filter((pod) => isInjected(pod) && pod.status.podIP !== '')
    const pages = await Promise.all(pods.map(scrape))
    if (this.#isClosed) return
    const alive = new Set(this.#store.list('Pod').map(({ metadata }) => metadata.uid))
    this.#history.add(
      pages.filter((page) => page !== undefined),
      alive,
      this.#nowMs(),
    )
    this.#timer = setTimeout(() => void this.#round(), Math.max(0, PERIOD_MS - (this.#nowMs() - startedAtMs)))
  }
}

/** `undefined` when the proxy does not answer: it starts, or it ends. */
function scrape(pod: Pod): Promise<Page | undefined> {
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const call = get(
      { host: pod.status.podIP, port: Port.admin, path: '/metrics', agent: false, signal },
      (response) => {
        const chunks: Buffer[] = []
        let bytes = 0
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length
          if (bytes > MAX_PAGE_BYTES) call.destroy(new Error('page too long'))
          else chunks.push(chunk)
        })
        response.on('error', () => resolve(undefined))
        response.on('end', () => {
          if (response.statusCode !== 200) return resolve(undefined)
          const { uid, namespace } = pod.metadata
          resolve({ uid, namespace, workload: workloadOf(pod), text: Buffer.concat(chunks).toString('utf8') })
        })
      },
    )
    call.on('error', () => resolve(undefined))
  })
}
