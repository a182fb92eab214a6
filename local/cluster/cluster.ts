/**
 * The controllers of the one-machine cluster: what the store asks for is made to be, and what is goes into the store.
 *
 * Every change wakes the controllers once, however many objects it touched. Each of them compares what is with what is
 * wanted and needs no memory of events, so a missed or repeated wake-up does no harm.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Kind } from '../../api/resources/kinds.ts'
import type { Pod, PodStatus } from '../../api/resources/pod.ts'
import type { EndpointSlice } from '../../api/resources/service.ts'
import { keyOf } from '../../control/resources/directory-source.ts'
import type { ObjectKey, WritableResourceStore } from '../../control/resources/store.ts'
import type { AddressPool } from '../network/addresses.ts'
import { type PodHost, PodRunner } from '../pods/pod-runner.ts'
import { ownedPods, planDeployment, podOf, podSuffix } from './deployments.ts'
import { endpointSlicesOf, isOwnSlice, isTerminating } from './endpoints.ts'

export interface ClusterOptions {
  /** Read, and written with what is: statuses, endpoints. */
  readonly store: WritableResourceStore
  /** The door for new objects, where they are completed and injected. */
  readonly admission: WritableResourceStore
  readonly podIps: AddressPool
  readonly host: PodHost
  readonly random: () => number
  /** RFC 3339. */
  readonly now: () => string
  /** New rules for the node, whenever endpoints or services changed. */
  readonly onServices: () => void
  /** One sentence about something that could not be done; the cluster goes on. */
  readonly onError: (sentence: string) => void
}

export class LocalCluster {
  readonly #options: ClusterOptions
  readonly #runners = new Map<string, PodRunner>()
  readonly #ending = new Set<PodRunner>()
  readonly #stopping = new Set<Promise<void>>()
  readonly #endSubscription: () => void
  #changed = new Set<Kind>()
  #isScheduled = false
  #linkNumber = 0
  #isClosed = false
  #lastError = ''

  constructor(options: ClusterOptions) {
    this.#options = options
    this.#endSubscription = options.store.subscribe((changed) => {
      for (const kind of changed) this.#changed.add(kind)
      this.#schedule()
    })
  }

  /** The running pod, for logs and exec. */
  runner(namespace: string, name: string): PodRunner | undefined {
    return this.#runners.get(`${namespace}/${name}`)
  }

  /** Begins the deletion of a pod: it leaves the endpoints now and disappears when its processes have ended. */
  deletePod(pod: Pod): void {
    if (isTerminating(pod)) return
    const metadata = { ...pod.metadata, deletionTimestamp: this.#options.now() }
    this.#options.store.apply([{ ...pod, metadata }])
  }

  /** Stops all pods, each within `maxGraceMs`, and resolves when they are gone. */
  async close(maxGraceMs: number): Promise<void> {
    this.#isClosed = true
    this.#endSubscription()
    const running = [...this.#runners.values()].filter((runner) => !this.#ending.has(runner))
    await Promise.all([...this.#stopping, ...running.map((runner) => runner.stop(maxGraceMs))])
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isClosed) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      if (this.#isClosed) return
      const changed = this.#changed
      this.#changed = new Set()
      this.#reconcile(changed)
    })
  }

  #reconcile(changed: ReadonlySet<Kind>): void {
    if (changed.has('Deployment') || changed.has('Pod') || changed.has('Namespace')) this.#reconcileDeployments()
    if (changed.has('Pod')) this.#reconcilePods()
    if (changed.has('Pod') || changed.has('ExternalWorkload') || changed.has('Service')) this.#reconcileEndpoints()
    if (changed.has('Service') || changed.has('EndpointSlice')) this.#options.onServices()
  }

  #reconcileDeployments(): void {
    const { store, admission, random } = this.#options
    const pods = store.list('Pod')
    const created: Pod[] = []
    for (const deployment of store.list('Deployment')) {
      const { create, remove, status } = planDeployment(deployment, ownedPods(deployment, pods))
      for (let count = 0; count < create; count++) created.push(podOf(deployment, podSuffix(random)))
      for (const pod of remove) this.deletePod(pod)
      if (!isDeepStrictEqual(status, deployment.status))
        this.#setDeploymentStatus(deployment.metadata.namespace, deployment.metadata.name, status)
    }
    for (const pod of pods) {
      if (this.#isOrphan(pod)) this.deletePod(pod)
    }
    for (const pod of created) {
      try {
        admission.apply([pod])
      } catch (cause) {
        this.#tell((cause as Error).message)
      }
    }
  }

  #setDeploymentStatus(namespace: string, name: string, status: { replicas: number; readyReplicas: number }): void {
    const deployment = this.#options.store.get('Deployment', namespace, name)
    if (deployment !== undefined) this.#options.store.apply([{ ...deployment, status }])
  }

  /** A controller tries again and again; the same sentence is said once. */
  #tell(sentence: string): void {
    if (sentence !== this.#lastError) this.#options.onError(sentence)
    this.#lastError = sentence
  }

  /** Its owner or its namespace is gone. */
  #isOrphan({ metadata }: Pod): boolean {
    const { store } = this.#options
    if (store.get('Namespace', '', metadata.namespace) === undefined) return true
    return metadata.ownerReferences.some(
      ({ kind, name, uid }) =>
        kind === 'Deployment' && store.get('Deployment', metadata.namespace, name)?.metadata.uid !== uid,
    )
  }

  #reconcilePods(): void {
    const { store } = this.#options
    const names = new Set<string>()
    for (const pod of store.list('Pod')) {
      const name = `${pod.metadata.namespace}/${pod.metadata.name}`
      names.add(name)
      const runner = this.#runners.get(name)
      if (runner === undefined && !isTerminating(pod)) this.#start(name, pod)
      else if (runner !== undefined && isTerminating(pod)) this.#stop(name, runner, keyOf(pod))
      else if (runner === undefined) store.delete([keyOf(pod)])
    }
    for (const [name, runner] of this.#runners) {
      if (!names.has(name)) this.#stop(name, runner, undefined)
    }
  }

  #start(name: string, pod: Pod): void {
    const { podIps, host } = this.#options
    const ip = podIps.take(pod.metadata.uid)
    if (ip === undefined) return
    const link = { name: `weft${++this.#linkNumber}`, ip }
    const runner = new PodRunner(pod, link, host, (status) => this.#setStatus(name, runner, status))
    this.#runners.set(name, runner)
    void runner.start()
  }

  #stop(name: string, runner: PodRunner, key: ObjectKey | undefined): void {
    if (this.#ending.has(runner)) return
    this.#ending.add(runner)
    const stopped = runner.stop().then(() => {
      this.#runners.delete(name)
      this.#ending.delete(runner)
      this.#stopping.delete(stopped)
      this.#options.podIps.release(runner.uid)
      if (key !== undefined && !this.#isClosed) this.#options.store.delete([key])
    })
    this.#stopping.add(stopped)
  }

  #setStatus(name: string, runner: PodRunner, status: PodStatus): void {
    if (this.#isClosed || this.#runners.get(name) !== runner) return
    const [namespace = '', podName = ''] = name.split('/')
    const pod = this.#options.store.get('Pod', namespace, podName)
    if (pod === undefined || pod.metadata.uid !== runner.uid || isDeepStrictEqual(pod.status, status)) return
    this.#options.store.apply([{ ...pod, status }])
  }

  #reconcileEndpoints(): void {
    const { store } = this.#options
    const wanted = endpointSlicesOf(store.list('Service'), store.list('Pod'), store.list('ExternalWorkload'))
    const held = store.list('EndpointSlice').filter(isOwnSlice)
    const names = new Set(wanted.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`))
    const gone = held.filter(({ metadata }) => !names.has(`${metadata.namespace}/${metadata.name}`))
    const apply = wanted.filter(
      (slice) => !isSame(slice, store.get('EndpointSlice', slice.metadata.namespace, slice.metadata.name)),
    )
    if (apply.length + gone.length > 0) store.commit({ apply, delete: gone.map(keyOf) })
  }
}

function isSame(wanted: EndpointSlice, held: EndpointSlice | undefined): boolean {
  return held !== undefined && isDeepStrictEqual([wanted.endpoints, wanted.ports], [held.endpoints, held.ports])
}
