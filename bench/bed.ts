/**
 * What a run is set up on: pods, applications, control plane, the peer's two proxies, and Weft's, which every section
 * gets anew so that none measures what another left behind.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Port, PROXY_UID } from '../api/vocabulary.ts'
import { type Pair, startHaproxyPair } from './peers/haproxy.ts'
import { createPods, type Pod, podNamed, RUN_FOLDER, removePods, spawnIn } from './pods.ts'
import { type Programs, programsFor } from './programs.ts'
import type { Route, RouteTls } from './run-load.ts'
import { type Control, IDENTITY, type Sidecar, startControl, startSidecar } from './sidecar.ts'

const [CLIENT, SERVER, THIRD, FOURTH, FIFTH, TLS_PEER] = ['a', 'b', 'c', 'd', 'e', 'tls'].map(podNamed) as [
  Pod,
  Pod,
  Pod,
  Pod,
  Pod,
  Pod,
]
const PODS: readonly Pod[] = [CLIENT, SERVER, THIRD, FOURTH, FIFTH, TLS_PEER]

export interface BedOptions {
  /** Another build of the proxy. */
  readonly proxyFile: string | undefined
  /** Writes CPU profiles of Weft's two proxies here. */
  readonly profileFolder: string | undefined
  /** Of every proxy; with more than one nothing is pinned. */
  readonly cores: number
}

export class Bed {
  readonly client = CLIENT
  readonly server = SERVER
  readonly tlsPeer = TLS_PEER
  /** Pods whose sidecars carry no load: what they hold is what one more sidecar costs. */
  readonly bystanders: readonly Pod[] = [THIRD, FOURTH, FIFTH]
  readonly peer: Pair
  readonly #options: BedOptions
  readonly #children: ChildProcess[]
  readonly #control: Control
  readonly #programs: Programs
  /** Of the section that runs: sidecars end in order, so that a profile is written; everything else at once. */
  #sidecars: ChildProcess[] = []
  #spawned: ChildProcess[] = []

  private constructor(
    options: BedOptions,
    parts: { children: ChildProcess[]; control: Control; programs: Programs; peer: Pair },
  ) {
    this.#options = options
    this.#children = parts.children
    this.#control = parts.control
    this.#programs = parts.programs
    this.peer = parts.peer
  }

  /** `children` is given every process as it starts, so that they can be ended whatever happens. */
  static async make(options: BedOptions, children: ChildProcess[]): Promise<Bed> {
    await createPods(PODS, SERVER)
    const origin = spawnIn(SERVER.netns, [process.execPath, join(import.meta.dirname, 'load', 'origin.ts')])
    children.push(origin)
    origin.stderr?.pipe(process.stderr)
    await once(createInterface({ input: origin.stdout! }), 'line')
    const control = await startControl(SERVER, TLS_PEER)
    children.push(control.process)
    writeCredentials(control)
    const peer = await startHaproxyPair(CLIENT, SERVER, RUN_FOLDER, {
      ...CREDENTIALS,
      identity: IDENTITY,
      tlsEchoAddress: `${TLS_PEER.ip}:${Port.inbound}`,
      cores: options.cores,
    })
    children.push(peer.outbound, peer.inbound)
    const programs = await programsFor(RUN_FOLDER, options.proxyFile)
    return new Bed(options, { children, control, programs, peer })
  }

  async startSidecar(pod: Pod, core?: number): Promise<Sidecar> {
    const { cores, profileFolder } = this.#options
    const sidecar = await startSidecar(pod, this.#control, RUN_FOLDER, {
      programs: this.#programs,
      cores,
      ...(core === undefined || cores > 1 ? {} : { core }),
      ...(core === undefined ? {} : { profileFolder }),
    })
    this.#children.push(sidecar.process)
    this.#sidecars.push(sidecar.process)
    // A proxy that dies takes the measurement with it; its last words say why.
    sidecar.process.once('exit', (code, signal) => {
      if (signal === null && code !== 0)
        process.stderr.write(`sidecar of ${pod.name} ended (${code}):\n${sidecar.log()}\n`)
    })
    return sidecar
  }

  /** Weft's two proxies, pinned like the peer's. */
  async startWeft(): Promise<Pair> {
    const outbound = await this.startSidecar(CLIENT, 0)
    const inbound = await this.startSidecar(SERVER, 1)
    return { name: 'weft', outbound: outbound.process, inbound: inbound.process }
  }

  /** A program that a section needs. */
  spawn(pod: Pod, command: readonly string[], options: Parameters<typeof spawnIn>[2] = {}): ChildProcess {
    const child = spawnIn(pod.netns, command, options)
    this.#children.push(child)
    this.#spawned.push(child)
    return child
  }

  /** Ends what a section started, also when it failed. */
  async endSection(): Promise<void> {
    const [sidecars, spawned] = [this.#sidecars, this.#spawned]
    this.#sidecars = []
    this.#spawned = []
    for (const child of spawned) child.kill('SIGKILL')
    for (const child of sidecars) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
    }
  }

  /** From the client's pod. */
  route(through: string, host: string, port: number): Route {
    return { through, netns: CLIENT.netns, host, port }
  }
}

/** Ends what `make` started. */
export async function tearDown(children: readonly ChildProcess[]): Promise<void> {
  for (const child of children) child.kill('SIGKILL')
  await removePods()
}

export const CREDENTIALS = { certFile: join(RUN_FOLDER, 'bench.pem'), caFile: join(RUN_FOLDER, 'ca.crt') } as const

/** What clients and servers of the benchmark need to speak mesh TLS with a sidecar or with the peer. */
export function clientTls(resumes: boolean): RouteTls {
  return { ...CREDENTIALS, serverName: IDENTITY, resumes }
}

function writeCredentials({ certificateAndKeyPem, anchorsPem }: Control): void {
  writeFileSync(CREDENTIALS.certFile, certificateAndKeyPem, { mode: 0o600 })
  chownSync(CREDENTIALS.certFile, PROXY_UID, PROXY_UID)
  writeFileSync(CREDENTIALS.caFile, anchorsPem)
  chmodSync(RUN_FOLDER, 0o755)
}
