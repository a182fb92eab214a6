/**
 * A local cluster as the bed of a test: the one that `weft local` starts, with its control plane, injected sidecars
 * and redirect rules, driven through the same API as the verbs of the command line.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import type { Condition, ConditionStatus } from '../../api/resources/condition.ts'
import { type Kind, kindOf, nameOf, type Resource } from '../../api/resources/kinds.ts'
import type { ObjectMeta } from '../../api/resources/meta.ts'
import type { Pod } from '../../api/resources/pod.ts'
import type { RouteStatus } from '../../api/resources/route.ts'
import { ContainerName, DEFAULT_CLUSTER_DOMAIN, DEFAULT_CONTROL_PLANE_NS, Port } from '../../api/vocabulary.ts'
import { ClusterClient } from '../../local/api/client.ts'
import { isPodReady, isTerminating } from '../../local/cluster/endpoints.ts'
import { PACKAGE_ROOT } from '../../local/programs.ts'
import { type RunningCluster, type StartOptions, startCluster } from '../../local/start.ts'
import { findTools } from '../../local/tools.ts'
import { Agent } from './agent.ts'
import type { Manifest } from './manifests.ts'

/** Generous: machines that run a suite run other things too. */
export const DEADLINE_MS = 60_000
const POLL_MS = 50
const PREFIX = 'weft-mesh-'

/** Why the suite cannot run here, or `false`: what tap's `skip` takes. */
export const cannotRun: string | false = (() => {
  if (process.getuid?.() !== 0) return 'real network namespaces and redirect rules need root; run the tests as root'
  const found = findTools()
  if (found.kind === 'complete') return false
  return `${found.programs.join(', ')} missing; install ${found.packages.join(', ')}`
})()

export interface MeshOptions extends Partial<Pick<StartOptions, 'issuer' | 'leaf'>> {
  readonly manifests: readonly Manifest[]
}

/** Starts a cluster that ends with the test, and waits until all its pods are ready. */
export async function startMesh(t: Test, { manifests, ...options }: MeshOptions): Promise<Mesh> {
  removeLeftovers()
  const directory = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const file = join(directory, 'manifests.yaml')
  writeFileSync(file, manifests.map((each) => JSON.stringify(each)).join('\n---\n'))
  // Nothing outside this directory, so that whatever a killed test leaves is found by the next one.
  process.env.WEFT_STATE_DIR = join(directory, 'state')
  const cluster = await startCluster({
    name: `test-${t.name
      .replace(/[^a-z]+/gi, '-')
      .toLowerCase()
      .slice(0, 16)}-${process.pid}`,
    paths: [file],
    workingDir: PACKAGE_ROOT,
    clusterDomain: DEFAULT_CLUSTER_DOMAIN,
    startedAtMs: Date.now(),
    say: (sentence) => t.comment(sentence),
    ...options,
  })
  if (!('ready' in cluster)) throw new Error(cluster.join('\n'))
  const mesh = new Mesh(cluster)
  t.teardown(async () => {
    if (!t.passing()) t.comment(await mesh.describe())
    await mesh.close()
  })
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`not all pods became ready within ${DEADLINE_MS / 1_000} s`), DEADLINE_MS)
  })
  const failure = await Promise.race([
    cluster.ready.then(() => undefined),
    cluster.ended.then(() => 'the cluster ended while it started'),
    tooLate,
  ])
  clearTimeout(timer)
  if (failure !== undefined) throw new Error(failure)
  return mesh
}

/** Processes and namespaces end with the test that was killed; its directory is all that can stay behind. */
function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(PREFIX) ? Number.parseInt(name.slice(PREFIX.length), 10) : Number.NaN
    if (pid > 0 && !existsSync(`/proc/${pid}`)) rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
}

/** An object with a status of its own, or one per parent. */
interface Programmable {
  readonly metadata: ObjectMeta
  readonly status?: Partial<RouteStatus & ConditionStatus>
}

/** Weft's own condition (`control/policy/index/status.ts`). */
const PROGRAMMED = 'weft.dev/Programmed'

export class Mesh {
  readonly #cluster: RunningCluster
  readonly #client: ClusterClient
  readonly #agents: Agent[] = []
  readonly #outsiders: ChildProcess[] = []

  constructor(cluster: RunningCluster) {
    this.#cluster = cluster
    this.#client = new ClusterClient(cluster.name, cluster.directory)
  }

  /** For commands that ask for a running cluster by `--name`. */
  get name(): string {
    return this.#cluster.name
  }

  /** Pods that are not on their way out, of one deployment or of all. */
  async pods(namespace: string, deployment?: string): Promise<readonly Pod[]> {
    const pods = await this.#client.call<Pod[]>('GET', '/objects', { kind: 'Pod', namespace })
    return pods.filter((pod) => {
      const isOwn = deployment === undefined || pod.metadata.ownerReferences.some(({ name }) => name === deployment)
      return isOwn && !isTerminating(pod)
    })
  }

  async onePod(namespace: string, deployment: string): Promise<Pod> {
    const [pod, ...others] = await this.pods(namespace, deployment)
    if (pod === undefined || others.length > 0) throw new Error(`${deployment} has ${1 + others.length} pods, not one`)
    return pod
  }

  /** Waits until a deployment has exactly `count` pods, all of them ready and no other one left. */
  async ready(namespace: string, deployment: string, count: number): Promise<readonly Pod[]> {
    return until(`${deployment} has ${count} ready pods and no other`, async () => {
      const all = await this.#client.call<Pod[]>('GET', '/objects', { kind: 'Pod', namespace })
      const own = all.filter((pod) => pod.metadata.ownerReferences.some(({ name }) => name === deployment))
      return own.length === count && own.every((pod) => isPodReady(pod) && !isTerminating(pod)) && own
    })
  }

  async apply(manifests: readonly Manifest[]): Promise<void> {
    await this.#client.call('POST', '/apply', {}, manifests.map((each) => JSON.stringify(each)).join('\n---\n'))
  }

  async scale(namespace: string, name: string, replicas: number): Promise<void> {
    await this.#client.call('POST', '/scale', { kind: 'Deployment', namespace, name, replicas: String(replicas) })
  }

  async deletePod({ metadata }: Pod): Promise<void> {
    await this.#client.call('POST', '/delete', { kind: 'Pod', namespace: metadata.namespace, name: metadata.name })
  }

  async delete(kind: Kind, namespace: string, name: string): Promise<void> {
    await this.#client.call('POST', '/delete', { kind, namespace, name })
  }

  /**
   * Applies objects that have a status and waits, as a pipeline does, until all connected proxies that use them hold
   * what was applied.
   */
  async program(manifests: readonly Manifest[]): Promise<void> {
    await this.apply(manifests)
    for (const manifest of manifests) {
      const kind = kindOf(manifest as unknown as Resource)!
      const { namespace, name } = (manifest as unknown as Resource).metadata
      await until(`${nameOf(manifest as unknown as Resource)} is programmed`, async () => {
        const [object] = await this.#client.call<Programmable[]>('GET', '/objects', { kind, namespace, name })
        const { metadata, status } = object!
        const lists = status?.parents?.map(({ conditions }) => conditions) ?? [status?.conditions ?? []]
        const isHeld = (conditions: readonly Condition[]) =>
          conditions.some(
            (each) =>
              each.type === PROGRAMMED && each.status === 'True' && each.observedGeneration === metadata.generation,
          )
        return lists.length > 0 && lists.every(isHeld)
      })
    }
  }

  /** A client inside a pod. */
  agent(namespace: string, name: string, container = 'client'): Agent {
    const agent = new Agent(this.#client, { namespace, name, container })
    this.#agents.push(agent)
    return agent
  }

  /** Starts a program that is no part of the cluster, on `addresses` behind its node, until the test ends. */
  async outside(addresses: readonly string[], command: readonly string[], env: Readonly<Record<string, string>>) {
    const inNode = (...args: readonly string[]) => ['--target', String(this.#cluster.pid), '--net', ...args]
    for (const address of addresses) {
      await promisify(execFile)('nsenter', inNode('ip', 'address', 'add', `${address}/32`, 'dev', 'lo'))
    }
    const child = spawn('nsenter', inNode(...command), {
      cwd: PACKAGE_ROOT,
      env: { ...process.env, ...env },
      stdio: 'ignore',
    })
    this.#outsiders.push(child)
  }

  /** Runs a command in a container. @returns its exit code */
  exec(namespace: string, name: string, container: string, command: readonly string[]): Promise<number> {
    const silent = () => new PassThrough().resume()
    return this.#client.exec({ namespace, name, container, command }, new PassThrough().end(), silent(), silent())
  }

  /** The last lines of every proxy and every container that failed, for the report of a failed test. */
  async describe(): Promise<string> {
    const pods = await this.#client.call<Pod[]>('GET', '/objects', { kind: 'Pod' }).catch(() => [])
    const parts = await Promise.all(
      pods.map(async ({ metadata, status, spec }) => {
        const { name, namespace } = metadata
        const containers = [...spec.initContainers, ...spec.containers].map((each) => each.name)
        const logs = await Promise.all(containers.map((container) => this.#tail(namespace, name, container)))
        const states = status.containerStatuses.map(
          (each) => `${each.name} ready=${each.ready} restarts=${each.restartCount}`,
        )
        return [`${namespace}/${name} ${status.phase} ${status.podIP}: ${states.join(', ')}`, ...logs].join('\n')
      }),
    )
    return parts.join('\n')
  }

  async close(): Promise<void> {
    for (const agent of this.#agents) agent.close()
    for (const child of this.#outsiders) child.kill('SIGKILL')
    this.#cluster.stop()
    await this.#cluster.ended
  }

  async #tail(namespace: string, name: string, container: string): Promise<string> {
    const chunks: string[] = []
    const into = new Writable({
      write(chunk, _encoding, done) {
        chunks.push(String(chunk))
        done()
      },
    })
    await this.#client.stream('/logs', { namespace, name, container, tail: '12' }, into).catch(() => {})
    return chunks.join('').replace(/^/gm, `    ${container}: `)
  }
}

/** Asks until the answer is neither `false` nor `undefined`, and fails at the deadline. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | false | undefined>,
  deadlineMs = DEADLINE_MS,
): Promise<T> {
  const endMs = Date.now() + deadlineMs
  for (;;) {
    const answer = await ask()
    if (answer !== false && answer !== undefined) return answer
    if (Date.now() > endMs) throw new Error(`${what}: not within ${deadlineMs / 1_000} s`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

/** The sum of all series of a metric of a proxy whose labels contain `labels`. */
export async function metric(agent: Agent, podIp: string, name: string, labels = ''): Promise<number> {
  const { body } = await agent.call('http', { url: `http://${podIp}:${Port.admin}/metrics` })
  let sum = 0
  for (const line of body.split('\n')) {
    const [, found, series = '', value] = /^([a-z_]+)(\{[^}]*\})? (\S+)/.exec(line) ?? []
    if (found === name && series.includes(labels)) sum += Number(value)
  }
  return sum
}

export { ContainerName, DEFAULT_CONTROL_PLANE_NS }
