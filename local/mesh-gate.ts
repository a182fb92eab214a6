/**
 * Holds back proxies until whom they need is there, the first time: the control plane's own proxy until its control
 * plane runs, all others until that proxy is ready. Otherwise their first attempts fail and the next ones wait, which
 * makes a start of four seconds one of six. Later starts pass at once, also while the control plane is away: then a
 * proxy waits and retries by itself, as it does on Kubernetes.
 */
import { get } from 'node:http'
import type { Container, Pod } from '../api/resources/pod.ts'
import { ContainerName, DEFAULT_CONTROL_PLANE_NS, Port } from '../api/vocabulary.ts'
import type { ResourceStore } from '../control/resources/store.ts'

/** Nobody is held longer than this: what is wrong then shows better in the proxies' own logs. */
const PATIENCE_MS = 10_000
const POLL_MS = 20

export class MeshGate {
  readonly #store: ResourceStore
  #openControl: () => void = () => {}
  readonly #controlRuns: Promise<void>
  readonly #meshRuns: Promise<void>

  constructor(store: ResourceStore) {
    this.#store = store
    const patience = sleep(PATIENCE_MS)
    const connected = new Promise<void>((resolve) => {
      this.#openControl = resolve
    })
    this.#controlRuns = Promise.race([connected, patience])
    this.#meshRuns = Promise.race([this.#controlRuns.then(() => this.#proxyReady(PATIENCE_MS)), patience])
  }

  /** The control plane's process has come up. */
  controlStarted(): void {
    this.#openControl()
  }

  /** Resolves when this container may start. */
  async pass(pod: Pod, container: Container): Promise<void> {
    if (container.name !== ContainerName.proxy) return
    await (pod.metadata.namespace === DEFAULT_CONTROL_PLANE_NS ? this.#controlRuns : this.#meshRuns)
  }

  async #proxyReady(patienceMs: number): Promise<void> {
    for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += POLL_MS) {
      const pods = this.#store.list('Pod').filter(({ metadata }) => metadata.namespace === DEFAULT_CONTROL_PLANE_NS)
      const answers = await Promise.all(pods.map(({ status }) => isReady(status.podIP)))
      if (answers.includes(true)) return
      await sleep(POLL_MS)
    }
  }
}

function isReady(host: string): Promise<boolean> {
  if (host === '') return Promise.resolve(false)
  return new Promise((resolve) => {
    const call = get(
      { host, port: Port.admin, path: '/ready', agent: false, signal: AbortSignal.timeout(500) },
      (response) => {
        response.resume()
        resolve(response.statusCode === 200)
      },
    )
    call.on('error', () => resolve(false))
  })
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref()
  })
}
