/**
 * Two network namespaces joined by a veth pair, with processes in them: a pod and the rest of the world.
 */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { PeerOptions } from './peer.ts'

export const POD = { ipv4: '10.79.0.1', ipv6: 'fd79::1' } as const
export const OUTSIDE = { ipv4: '10.79.0.2', ipv6: 'fd79::2' } as const

/** Why namespaces cannot be made here, or `undefined`. */
export function whyNoNamespaces(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root to make network namespaces'
  try {
    execFileSync('ip', ['netns', 'list'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'needs `ip` of iproute2'
  }
}

export interface Peer {
  /** What the listener that got the connection said: its name and the address it was dialled at. */
  dial(host: string, port: number): Promise<string>
}

export class Namespaces {
  readonly pod: string
  readonly outside: string
  readonly #processes: ChildProcessWithoutNullStreams[] = []

  /** @param id distinguishes runs at the same moment; short, since link names end at 15 characters */
  constructor(id: string) {
    this.pod = `weft-pod-${id}`
    this.outside = `weft-out-${id}`
    for (const name of [this.pod, this.outside]) execFileSync('ip', ['netns', 'add', name])
    ip(this.pod, `link add eth0 type veth peer name eth0 netns ${this.outside}`)
    for (const [name, own, other] of [
      [this.pod, POD, OUTSIDE],
      [this.outside, OUTSIDE, POD],
    ] as const) {
      ip(name, 'link set lo up')
      ip(name, 'link set eth0 up')
      ip(name, `address add ${own.ipv4}/24 dev eth0`)
      ip(name, `address add ${own.ipv6}/64 dev eth0 nodad`)
      ip(name, `route add default via ${other.ipv4}`)
      ip(name, `-6 route add default via ${other.ipv6}`)
    }
  }

  /** Starts a peer in one of the two and waits until it listens. */
  async start(namespace: string, options: PeerOptions): Promise<Peer> {
    const script = new URL('./peer.ts', import.meta.url).pathname
    const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, script, JSON.stringify(options)], {
      stdio: 'pipe',
    })
    this.#processes.push(child)
    let said = ''
    child.stderr.on('data', (chunk) => {
      said += chunk
    })
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    if ((await lines.next()).value !== 'ready') throw new Error(`the peer in ${namespace} did not start: ${said}`)
    return {
      async dial(host, port) {
        child.stdin.write(`${JSON.stringify({ host, port })}\n`)
        const answer = await lines.next()
        return answer.done === true ? `the peer in ${namespace} ended: ${said}` : answer.value
      },
    }
  }

  async remove(): Promise<void> {
    for (const child of this.#processes) {
      const ended = new Promise((resolve) => child.once('close', resolve))
      child.stdin.end()
      if (child.exitCode === null) await ended
    }
    for (const name of [this.pod, this.outside]) execFileSync('ip', ['netns', 'delete', name])
  }
}

function ip(namespace: string, words: string): void {
  execFileSync('ip', ['-n', namespace, ...words.split(' ')])
}
