/** One attack in the harness's hands: its process is there before the first quiet window, its connections come and go. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { Port } from '../../api/vocabulary.ts'
import { ORIGINS } from '../origin-ports.ts'
import { NODE, VIP } from '../pods.ts'
import type { Attack } from './attack-kinds.ts'
import { keyOf } from './attacks.ts'
import { type Bed, CLIENT, SERVER } from './bed.ts'

/** A hostile server gets a port of its own each time: after the last one the proxy waits before it dials again. */
const FIRST_SERVER_PORT = 9_100
let nextServerPort = FIRST_SERVER_PORT

const BEGIN_TIMEOUT_MS = 15_000

export class AttackRun {
  readonly #key: string
  readonly #isServer: boolean
  readonly #port: number
  readonly #child: ChildProcess
  /** Who dials a hostile server. */
  readonly #victim: ChildProcess | undefined
  readonly #ready: Promise<unknown>
  #targetPort = 0
  openAtMs: number | undefined = undefined
  closedAtMs: number | undefined = undefined

  constructor(bed: Bed, attack: Attack) {
    this.#key = keyOf(attack)
    this.#isServer = attack.side === 'server'
    this.#port = attack.port === 'inbound' ? Port.inbound : ORIGINS[attack.port].port
    const netns = this.#isServer ? SERVER.netns : attack.side === 'application' ? CLIENT.netns : NODE
    const host = attack.side === 'application' ? VIP.weft : SERVER.ip
    this.#child = bed.start(netns, ['attack.ts', '--attack', this.#key, '--host', host], true)
    const version = attack.port.startsWith('h2') ? ['--http2'] : []
    this.#victim = this.#isServer ? bed.start(NODE, ['request.ts', '--host', SERVER.ip, ...version], true) : undefined
    const lines = createInterface({ input: this.#child.stdout! })
    this.#ready = once(lines, 'line').then(() => lines.on('line', (line) => this.#hear(line)))
  }

  ready(): Promise<unknown> {
    return this.#ready
  }

  /** Begins one connection, and waits until it is there. */
  async begin(): Promise<number> {
    this.openAtMs = undefined
    this.closedAtMs = undefined
    this.#targetPort = this.#isServer ? nextServerPort++ : this.#port
    this.#child.stdin!.write(`go ${this.#targetPort}\n`)
    const untilMs = Date.now() + BEGIN_TIMEOUT_MS
    while (this.openAtMs === undefined) {
      if (Date.now() > untilMs) throw new Error(`hostile: "${this.#key}" did not begin within ${BEGIN_TIMEOUT_MS} ms`)
      if (this.#child.exitCode !== null)
        throw new Error(`hostile: "${this.#key}" could not dial port ${this.#targetPort}`)
      await sleep(2)
    }
    return this.openAtMs
  }

  end(): void {
    for (const child of [this.#child, this.#victim]) child?.stdin?.write('stop\n')
  }

  kill(): void {
    for (const child of [this.#child, this.#victim]) child?.kill('SIGKILL')
  }

  #hear(line: string): void {
    const { event, atMs } = JSON.parse(line) as { event: string; atMs: number }
    if (event === 'open') this.openAtMs = atMs
    else if (event === 'closed') this.closedAtMs ??= atMs
    else this.#victim?.stdin?.write(`go ${this.#targetPort}\n`)
  }
}
