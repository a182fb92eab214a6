/**
 * Keeps the objects of one kind equal to those of an API server: list, watch from there, and list again where the server
 * has forgotten where we were (410 Gone). While the server is away, what was known last stays.
 */
import { isMap } from '../../api/resources/check.ts'
import { KINDS, type Kind } from '../../api/resources/kinds.ts'
import { type KubernetesApi, KubernetesApiError } from './kubernetes-api.ts'
import { groupPath, resourcePlural } from './kubernetes-object.ts'

export interface ReflectorOptions {
  readonly api: KubernetesApi
  readonly kind: Kind
  readonly sink: ReflectorSink
  /** Resolves early when the signal is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  /** From 0 to 1, for jitter. */
  readonly random: () => number
}

/** Where a reflector says what there is. */
export interface ReflectorSink {
  /** All objects there are; `apiVersion` is `undefined` where the cluster does not have the kind. */
  replace(kind: Kind, apiVersion: string | undefined, objects: readonly unknown[]): void
  change(kind: Kind, apiVersion: string, events: readonly WatchEvent[]): void
  failed(kind: Kind, error: KubernetesApiError): void
}

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: Readonly<Record<string, unknown>>
}

export const PAGE_SIZE = 500
const FIRST_BACKOFF_MS = 250
const MAX_BACKOFF_MS = 30_000
/** How often it is asked for a kind that the cluster does not have. */
const ABSENT_RETRY_MS = 30_000
/** The server ends a watch after so long; jitter keeps all of them from coming back together. */
const WATCH_SECONDS = 300

export class Reflector {
  readonly #options: ReflectorOptions
  #apiVersion: string | undefined
  #resourceVersion: string | undefined
  #backoffMs = FIRST_BACKOFF_MS

  constructor(options: ReflectorOptions) {
    this.#options = options
  }

  /** Runs until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { kind, sink, sleep, random } = this.#options
    while (!signal.aborted) {
      try {
        if (!(await this.#follow(signal))) await sleep(ABSENT_RETRY_MS * (0.5 + random()), signal)
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof KubernetesApiError)) throw error
        if (error.status === 410) {
          // Not a failure: so much has changed meanwhile that only a list tells it.
          this.#resourceVersion = undefined
          if (this.#backoffMs === FIRST_BACKOFF_MS) {
            this.#backoffMs *= 2
            continue
          }
        } else {
          // A 404 means that the kind, or this version of it, has been taken away.
          if (error.status === 404) this.#apiVersion = this.#resourceVersion = undefined
          sink.failed(kind, error)
        }
        await sleep(this.#backoffMs * (0.5 + random()), signal)
        this.#backoffMs = Math.min(this.#backoffMs * 2, MAX_BACKOFF_MS)
      }
    }
  }

  /** @returns whether the cluster has the kind */
  async #follow(signal: AbortSignal): Promise<boolean> {
    const { kind, sink } = this.#options
    this.#apiVersion ??= await this.#findVersion(signal)
    if (this.#apiVersion === undefined) {
      sink.replace(kind, undefined, [])
      return false
    }
    const path = `${groupPath(this.#apiVersion)}/${resourcePlural(kind)}`
    if (this.#resourceVersion === undefined) {
      const { objects, resourceVersion } = await this.#list(path, signal)
      this.#resourceVersion = resourceVersion
      sink.replace(kind, this.#apiVersion, objects)
    }
    await this.#watch(path, this.#apiVersion, signal)
    return true
  }

  async #findVersion(signal: AbortSignal): Promise<string | undefined> {
    const { api, kind } = this.#options
    for (const apiVersion of KINDS[kind].apiVersions) {
      try {
        const { resources } = (await api.get(groupPath(apiVersion), signal)) as { resources?: unknown }
        const plural = resourcePlural(kind)
        if (Array.isArray(resources) && resources.some((each) => isMap(each) && each.name === plural)) return apiVersion
      } catch (error) {
        if (!(error instanceof KubernetesApiError) || error.status !== 404) throw error
      }
    }
    return undefined
  }

  async #list(path: string, signal: AbortSignal): Promise<{ objects: readonly unknown[]; resourceVersion: string }> {
    const objects: unknown[] = []
    let next = ''
    for (;;) {
      const query = new URLSearchParams({ limit: String(PAGE_SIZE), ...(next !== '' && { continue: next }) })
      const page = await this.#options.api.get(`${path}?${query}`, signal)
      const metadata = isMap(page) && isMap(page.metadata) ? page.metadata : {}
      const { resourceVersion } = metadata
      if (!isMap(page) || !Array.isArray(page.items) || typeof resourceVersion !== 'string') {
        throw new KubernetesApiError(`${path}: the answer is not a list of Kubernetes; is it an API server?`)
      }
      objects.push(...page.items)
      next = typeof metadata.continue === 'string' ? metadata.continue : ''
      if (next === '') return { objects, resourceVersion }
    }
  }

  async #watch(path: string, apiVersion: string, signal: AbortSignal): Promise<void> {
    const { api, kind, sink, random } = this.#options
    const query = new URLSearchParams({
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: this.#resourceVersion ?? '',
      timeoutSeconds: String(Math.round(WATCH_SECONDS * (1 + random()))),
    })
    let isEmpty = true
    for await (const lines of api.watch(`${path}?${query}`, signal)) {
      isEmpty = false
      const events: WatchEvent[] = []
      let failure: KubernetesApiError | undefined
      for (const line of lines) {
        const { type, object } = parseEvent(path, line)
        if (type === 'ERROR') {
          failure = new KubernetesApiError(`${path}: ${object.message}`, Number(object.code))
          break
        }
        const { resourceVersion } = isMap(object.metadata) ? object.metadata : {}
        if (typeof resourceVersion === 'string') this.#resourceVersion = resourceVersion
        if (type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED') events.push({ type, object })
      }
      if (events.length > 0) sink.change(kind, apiVersion, events)
      if (failure !== undefined) throw failure
      this.#backoffMs = FIRST_BACKOFF_MS
    }
    // Watches end as asked, with bookmarks before; one that ends without a word must not be opened in a loop.
    if (isEmpty) throw new KubernetesApiError(`${path}: the watch ended without an event`)
  }
}

function parseEvent(path: string, line: string): { type: unknown; object: Record<string, unknown> } {
  let event: unknown
  try {
    event = JSON.parse(line)
  } catch {
    event = undefined
  }
  if (isMap(event) && isMap(event.object)) return { type: event.type, object: event.object }
  throw new KubernetesApiError(`${path}: an event of the watch is not what Kubernetes writes`)
}
