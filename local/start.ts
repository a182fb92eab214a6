/**
 * Starting and ending a local cluster from outside: checks, the state directory, the supervisor, signals.
 */
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Duplex } from 'node:stream'
import { BIN_DIRECTORY, launch } from './launch.ts'
import { npmIsGone } from './npm-parent.ts'
import { prepareTools, THIS_MACHINE } from './preflight.ts'
import { preparePrograms } from './programs.ts'
import { type ClaimedDirectory, claimStateDirectory, releaseStateDirectory, stateDirectory } from './state-directory.ts'
import type { LeafLifetime, OuterMessage, PemText, SupervisorConfig, SupervisorMessage } from './supervisor-config.ts'

export interface StartOptions {
  readonly name: string
  readonly paths: readonly string[]
  readonly workingDir: string
  readonly clusterDomain: string
  readonly issuer?: { readonly anchors: PemText; readonly certificate: PemText; readonly privateKey: PemText }
  readonly leaf?: LeafLifetime
  readonly startedAtMs: number
  readonly say: (sentence: string) => void
}

export interface RunningCluster {
  readonly name: string
  readonly directory: string
  /** A process in the network of the node. */
  readonly pid: number
  /** Resolves when all pods are ready for the first time, with the time since the command began. */
  readonly ready: Promise<number>
  /** Resolves when the cluster has ended, by itself or by `stop`. */
  readonly ended: Promise<void>
  /** Ends all pods in order; a second call ends everything at once. */
  stop(): void
}

/** The cluster once its API answers, or sentences why there is none. */
export async function startCluster(options: StartOptions): Promise<RunningCluster | readonly string[]> {
  const { name, say } = options
  if (!/^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$/.test(name))
    return [`--name ${name}: use a-z, 0-9 and -, at most 32 characters`]
  const tools = await prepareTools(THIS_MACHINE, say)
  if (typeof tools === 'string') return [tools]
  const programs = await preparePrograms()
  const directory = stateDirectory(name)
  const claimed = claim(directory)
  if (typeof claimed === 'string') return [claimed]
  if (claimed.kind === 'taken') {
    return [
      `a cluster called ${name} is running already (process ${claimed.owner.pid}); end it with Ctrl-C there, or choose another --name`,
    ]
  }
  const config: SupervisorConfig = {
    clusterName: name,
    paths: options.paths,
    workingDir: options.workingDir,
    stateDirectory: directory,
    isRootless: process.getuid?.() !== 0,
    path: process.env.PATH ?? '',
    programs,
    node: process.execPath,
    clusterDomain: options.clusterDomain,
    startedAtMs: options.startedAtMs,
    ...(options.issuer === undefined ? {} : { issuer: options.issuer }),
    ...(options.leaf === undefined ? {} : { leaf: options.leaf }),
  }
  const supervisor = [
    `${BIN_DIRECTORY}/node`,
    '--disable-warning=ExperimentalWarning',
    `${BIN_DIRECTORY}/supervisor.mjs`,
  ]
  const child = await launch({ tools, config, supervisor, env: process.env })
  if (typeof child === 'string') {
    releaseStateDirectory(directory)
    return [child]
  }
  // Over the pipe and not as an argument: it may hold the key of an issuer.
  ;(child.stdio[3] as Duplex).write(`${JSON.stringify(config)}\n`)
  return attach(child, directory, name)
}

function claim(directory: string): ClaimedDirectory | string {
  try {
    return claimStateDirectory(directory)
  } catch (cause) {
    return `the cluster's own directory ${directory} cannot be written: ${(cause as Error).message}; set WEFT_STATE_DIR to one that can`
  }
}

function attach(child: ChildProcess, directory: string, name: string): Promise<RunningCluster | readonly string[]> {
  const control = child.stdio[3] as Duplex
  const send = (message: OuterMessage) => control.write(`${JSON.stringify(message)}\n`)
  control.on('error', () => {})
  let onReady: (startupMs: number) => void = () => {}
  const ready = new Promise<number>((resolve) => {
    onReady = resolve
  })
  let isStopping = false
  const stop = () => {
    if (isStopping) child.kill('SIGKILL')
    else send({ type: 'stop' })
    isStopping = true
  }
  const ended = new Promise<void>((resolve) => {
    child.on('exit', () => {
      releaseStateDirectory(directory)
      resolve()
    })
  })
  npmIsGone(() => {
    releaseStateDirectory(directory)
    process.exit(137)
  })
  return new Promise((resolve) => {
    let refused: readonly string[] = [
      'the cluster ended before it was up, see the line above; it needs the right to make namespaces: run as root, a container as privileged',
    ]
    const lines = createInterface({ input: control })
    // The pipe's errors come here too; what they mean is told by the exit of the process.
    lines.on('error', () => {})
    lines.on('line', (line) => {
      const message = JSON.parse(line) as SupervisorMessage
      if (message.type === 'refused') refused = message.sentences
      if (message.type === 'ready') onReady(message.startupMs)
      if (message.type === 'started') resolve({ name, directory, pid: child.pid!, ready, ended, stop })
    })
    void ended.then(() => resolve(refused))
  })
}
