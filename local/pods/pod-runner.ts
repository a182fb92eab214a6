/**
 * One pod on this machine: its network, its volumes, its containers in the order of Kubernetes, its status.
 *
 * Init containers run one after another; those that are native sidecars stay, and the next one starts when they have
 * started. Then all containers start. Stopping goes the other way round, sidecars last, so a proxy still carries the
 * last requests of its application.
 */
import { mkdirSync, realpathSync, rmSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Container, ContainerStatus, Pod, PodPhase, PodStatus } from '../../api/resources/pod.ts'
import { NODE_IP } from '../network/addresses.ts'
import type { PodNetworks } from '../network/pod-network.ts'
import { run } from '../run.ts'
import type { Tools } from '../tools.ts'
import type { Cover } from '../visibility.ts'
import { ContainerProcess, type StartedCommand } from './container-process.ts'
import { ContainerConfigError, containerEnvironment, expandVariables } from './environment.ts'
import { execArguments, type Launch, launchArguments, userOf } from './launch.ts'
import { ContainerLog } from './log.ts'
import { type Mount, mountScript } from './mounts.ts'
import { commandLine } from './shell.ts'
import { makeVolume, usersOf, type VolumeSources } from './volumes.ts'

/** What a pod needs from its node. */
export interface PodHost {
  readonly tools: Tools
  readonly networks: PodNetworks
  /** On tmpfs and private to the cluster: `<directory>/<uid>` belongs to one pod. */
  readonly podsDirectory: string
  readonly logsDirectory: string
  /** Where relative paths of manifests start. */
  readonly workingDir: string
  readonly isRootless: boolean
  readonly baseEnvironment: ReadonlyMap<string, string>
  /** What is mounted over directories that containers may not enter. */
  readonly covers: readonly Cover[]
  /** Directory of our own programs, which containers that use them get mounted at the same path. */
  readonly bin: string
  readonly resolvConf: (namespace: string) => string
  sources(pod: Pod): VolumeSources
  /** The program of a container whose image brings its own (the proxy); `undefined` leaves the container as it is. */
  entrypoint(container: Container): readonly string[] | undefined
  writeFile(path: string, text: string): void
  /** Resolves when this container may start. */
  mayStart(pod: Pod, container: Container): Promise<void>
}

/** Between leaving the endpoints and the first SIGTERM, so that clients hear of it first. */
const LEAVE_MS = 250
/** What a sidecar gets at least, even when the containers used up the grace period. */
const MIN_SIDECAR_GRACE_MS = 2_000

export class PodRunner {
  readonly #pod: Pod
  readonly #host: PodHost
  readonly #netns: string
  readonly #ip: string
  readonly #onStatus: (status: PodStatus) => void
  readonly #directory: string
  readonly #processes = new Map<string, ContainerProcess>()
  readonly #logs = new Map<string, ContainerLog>()
  readonly #volumes = new Map<string, string>()
  readonly #timers = new Set<NodeJS.Timeout>()
  /** Init containers whose outcome is awaited. */
  readonly #waiters = new Set<() => void>()
  #isInitialized = false
  #isStopping = false
  #failure = ''

  /** @param link the pod's network namespace and address */
  constructor(
    pod: Pod,
    link: { readonly name: string; readonly ip: string },
    host: PodHost,
    onStatus: (status: PodStatus) => void,
  ) {
    this.#netns = link.name
    this.#ip = link.ip
    this.#pod = { ...pod, status: { ...pod.status, podIP: link.ip, podIPs: [{ ip: link.ip }], hostIP: NODE_IP } }
    this.#host = host
    this.#onStatus = onStatus
    this.#directory = join(host.podsDirectory, pod.metadata.uid)
  }

  log(container: string): ContainerLog | undefined {
    return this.#logs.get(container)
  }

  process(container: string): ContainerProcess | undefined {
    return this.#processes.get(container)
  }

  get uid(): string {
    return this.#pod.metadata.uid
  }

  get netns(): string {
    return this.#netns
  }

  get defaultContainer(): string {
    return (
      this.#pod.spec.containers.find(({ name }) => !name.startsWith('linkerd-'))?.name ??
      this.#pod.spec.containers[0]?.name ??
      ''
    )
  }

  async start(): Promise<void> {
    try {
      this.#prepareLogs()
      await this.#host.networks.add({ name: this.#netns, ip: this.#ip })
      if (this.#isStopping) return
      this.#report()
      await this.#makeVolumes()
      for (const container of this.#pod.spec.initContainers) {
        if (this.#isStopping) return
        await this.#runInit(container)
      }
      if (this.#isStopping) return
      this.#isInitialized = true
      await Promise.all(
        this.#pod.spec.containers.map((container) => this.#add(container, this.#pod.spec.restartPolicy).start()),
      )
    } catch (cause) {
      this.#fail((cause as Error).message)
    }
    this.#report()
  }

  /**
   * Ends everything of the pod. The caller has taken it out of the endpoints before.
   *
   * @param maxGraceMs shortens the pod's own grace period
   */
  async stop(maxGraceMs = Number.POSITIVE_INFINITY): Promise<void> {
    this.#isStopping = true
    for (const timer of this.#timers) clearTimeout(timer)
    if (this.#processes.size > 0) await sleep(LEAVE_MS)
    const graceMs = Math.min(this.#pod.spec.terminationGracePeriodSeconds * 1_000, maxGraceMs)
    const deadlineMs = Date.now() + graceMs
    const ofSidecars = this.#pod.spec.initContainers.filter(isSidecar).map(({ name }) => name)
    const others = [...this.#processes.values()].filter(({ container }) => !ofSidecars.includes(container.name))
    await Promise.all(others.map((each) => each.stop(graceMs)))
    for (const name of ofSidecars.reverse()) {
      await this.#processes.get(name)?.stop(Math.max(MIN_SIDECAR_GRACE_MS, deadlineMs - Date.now()))
    }
    await this.#host.networks.remove(this.#netns)
    rmSync(this.#directory, { recursive: true, force: true })
    for (const log of this.#logs.values()) log.close()
  }

  /** Command line that runs `command` in a container; `undefined` while the container does not run. */
  execCommand(name: string, command: readonly string[]): StartedCommand | undefined {
    const running = this.#processes.get(name)
    if (running?.pid === undefined) return undefined
    const { container } = running
    const launch = { pod: this.#pod, container, workingDir: this.#workingDir(container) }
    return { ...execArguments(launch, running.pid, command, this.#host.tools), env: this.#environment(container) }
  }

  async #runInit(container: Container): Promise<void> {
    // Kubernetes: an init container that fails is tried again, unless the pod says Never.
    const policy = isSidecar(container) ? 'Always' : this.#pod.spec.restartPolicy === 'Never' ? 'Never' : 'OnFailure'
    const running = this.#add(container, policy)
    const isDone = new Promise<void>((resolve, reject) => {
      const check = () => {
        if (this.#isStopping) return resolve()
        if (isSidecar(container) ? running.isStarted : running.state === 'completed') return resolve()
        if (!isSidecar(container) && running.state === 'failed')
          return reject(new Error(`init container ${container.name} failed; see its log`))
        this.#waiters.add(check)
      }
      this.#waiters.add(check)
    })
    await running.start()
    this.#wake()
    await isDone
  }

  #wake(): void {
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const check of waiters) check()
  }

  #add(container: Container, restartPolicy: 'Always' | 'OnFailure' | 'Never'): ContainerProcess {
    const running = new ContainerProcess({
      container,
      podIp: this.#ip,
      log: this.#logs.get(container.name)!,
      restartPolicy,
      prepare: async () => {
        await this.#host.mayStart(this.#pod, container)
        return this.#prepare(container)
      },
      exec: async (_pid, command, timeoutMs) => this.#exec(container.name, command, timeoutMs),
      onChange: () => {
        this.#report()
        this.#wake()
      },
    })
    this.#processes.set(container.name, running)
    return running
  }

  #prepare(container: Container): StartedCommand {
    const env = this.#environment(container)
    const variables = new Map(Object.entries(env))
    const program = this.#host.entrypoint(container) ?? container.command
    if (program === undefined)
      throw new ContainerConfigError(
        `container ${container.name} has no command, and there are no images here; add command`,
      )
    const launch: Launch = {
      pod: this.#pod,
      container,
      netns: this.#netns,
      workingDir: this.#workingDir(container),
      mounts: this.#mounts(container),
      command: [...program, ...(container.args ?? [])].map((word) => expandVariables(word, variables)),
    }
    return { ...launchArguments(launch, this.#host.tools), env }
  }

  #environment(container: Container): Record<string, string> {
    const { hostname } = this.#pod.spec
    const base = new Map(this.#host.baseEnvironment).set('HOSTNAME', hostname ?? this.#pod.metadata.name)
    return Object.fromEntries(containerEnvironment(container, this.#pod, this.#host.sources(this.#pod), base))
  }

  #workingDir(container: Container): string {
    return resolve(this.#host.workingDir, container.workingDir ?? '.')
  }

  #mounts(container: Container): string[] {
    const scratch = join(this.#directory, 'containers', container.name)
    rmSync(scratch, { recursive: true, force: true })
    mkdirSync(scratch, { recursive: true })
    const ofPod = (file: string): Mount => ({
      source: join(this.#directory, file),
      isFile: true,
      mountPath: `/etc/${file}`,
      isReadOnly: true,
    })
    const mounts = container.volumeMounts.map(({ name, mountPath, readOnly, subPath }): Mount => {
      const source = join(this.#volumes.get(name) ?? '', subPath ?? '')
      if (subPath !== undefined) mkdirSync(source, { recursive: true })
      return { source, isFile: fileType(source) === 'file', mountPath, isReadOnly: readOnly ?? false }
    })
    // The init container of the proxy mounts a volume at /run for the lock of iptables; every container has its own.
    const wanted = mounts.filter(({ mountPath }) => mountPath !== '/run' && mountPath !== '/run/')
    const programs: Mount[] =
      this.#host.entrypoint(container) === undefined
        ? []
        : [{ source: this.#host.bin, isFile: false, mountPath: this.#host.bin, isReadOnly: false }]
    const covers = this.#host.covers.map(({ source, target }) => commandLine('mount', '-n', '--rbind', source, target))
    const script = mountScript([...wanted, ...programs, ofPod('resolv.conf'), ofPod('hosts')], {
      scratch,
      isRootless: this.#host.isRootless,
      fileType,
      realPath: realpathSync,
    })
    return [...covers, ...script]
  }

  async #makeVolumes(): Promise<void> {
    const { metadata, spec } = this.#pod
    const hostname = spec.hostname ?? metadata.name
    this.#host.writeFile(join(this.#directory, 'resolv.conf'), this.#host.resolvConf(metadata.namespace))
    this.#host.writeFile(join(this.#directory, 'hosts'), `127.0.0.1\tlocalhost\n${this.#ip}\t${hostname}\n`)
    await Promise.all(spec.volumes.map(({ name }) => this.#makeVolume(name)))
  }

  async #makeVolume(name: string): Promise<void> {
    const volume = this.#pod.spec.volumes.find((each) => each.name === name)!
    const users = usersOf(name, this.#pod, (container) => userOf(container, this.#pod))
    const made = await makeVolume(
      volume,
      this.#pod,
      join(this.#directory, 'volumes'),
      users,
      this.#host.sources(this.#pod),
    )
    this.#volumes.set(name, made.path)
    if (made.refreshInMs === undefined || this.#isStopping) return
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.#makeVolume(name).catch((cause: Error) =>
        this.#note(`volume ${name} could not be refreshed: ${cause.message}`),
      )
    }, made.refreshInMs)
    this.#timers.add(timer)
  }

  async #exec(name: string, command: readonly string[], timeoutMs: number): Promise<number> {
    const prepared = this.execCommand(name, command)
    if (prepared === undefined) return 127
    const { code } = await run(prepared.command, prepared.args, '', { env: prepared.env, timeoutMs })
    return code
  }

  #prepareLogs(): void {
    const { namespace, name } = this.#pod.metadata
    for (const container of [...this.#pod.spec.initContainers, ...this.#pod.spec.containers]) {
      this.#logs.set(
        container.name,
        new ContainerLog(join(this.#host.logsDirectory, `${namespace}_${name}_${container.name}.log`)),
      )
    }
  }

  #fail(message: string): void {
    this.#failure = message
    this.#note(message)
  }

  #note(message: string): void {
    this.#logs.get(this.defaultContainer)?.note(message)
  }

  #report(): void {
    this.#onStatus(this.#status())
  }

  #status(): PodStatus {
    const { initContainers, containers, restartPolicy } = this.#pod.spec
    const statusOf = ({ name }: Container): ContainerStatus => {
      const running = this.#processes.get(name)
      return {
        name,
        ready: running?.isReady ?? false,
        restartCount: running?.restarts ?? 0,
        started: running?.isStarted ?? false,
      }
    }
    const lasting = [...containers, ...initContainers.filter(isSidecar)]
    const isReady =
      this.#isInitialized &&
      !this.#isStopping &&
      lasting.every(({ name }) => this.#processes.get(name)?.isReady === true)
    const states = containers.map(({ name }) => this.#processes.get(name)?.state)
    const isOver = restartPolicy !== 'Always' && states.every((state) => state === 'completed' || state === 'failed')
    const phase: PodPhase =
      this.#failure !== ''
        ? 'Failed'
        : isOver
          ? states.includes('failed')
            ? 'Failed'
            : 'Succeeded'
          : this.#isInitialized
            ? 'Running'
            : 'Pending'
    const waiting = [...this.#processes.values()].find(({ state }) => state === 'backing-off' || state === 'failed')
    const truth = (is: boolean) => (is ? 'True' : 'False')
    return {
      ...this.#pod.status,
      phase,
      conditions: [
        { type: 'PodScheduled', status: 'True' },
        { type: 'Initialized', status: truth(this.#isInitialized) },
        { type: 'ContainersReady', status: truth(isReady) },
        { type: 'Ready', status: truth(isReady) },
      ],
      initContainerStatuses: initContainers.map(statusOf),
      containerStatuses: containers.map(statusOf),
      ...(waiting === undefined ? {} : { reason: waiting.reason }),
      ...(this.#failure === '' ? {} : { message: this.#failure }),
    }
  }
}

function isSidecar({ restartPolicy }: Container): boolean {
  return restartPolicy === 'Always'
}

function fileType(path: string): 'file' | 'directory' | undefined {
  try {
    return statSync(path).isDirectory() ? 'directory' : 'file'
  } catch {
    return undefined
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
