/**
 * The network of a pod: a namespace of its own, joined to the node by a veth pair and routed, not bridged.
 *
 * Every packet passes the node's routing and rules, as in most Kubernetes networks: that is where service addresses
 * are translated for pods without proxy. Pods that start together are made together, by one `ip` and one shell.
 */
import { readdirSync, statSync } from 'node:fs'
import { commandLine } from '../pods/shell.ts'
import { run } from '../run.ts'
import type { Tools } from '../tools.ts'
import { GATEWAY_IP, NODE_IP, SERVICE_NETWORK } from './addresses.ts'

export interface PodLink {
  /** Name of the namespace, and of the link on the node's side: at most 15 characters. */
  readonly name: string
  readonly ip: string
}

/** Where `ip netns` keeps its namespaces; private to the cluster. */
export const NETNS_DIRECTORY = '/run/netns'

export function netnsPath(name: string): string {
  return `${NETNS_DIRECTORY}/${name}`
}

/** Lines for `sh`: the node's own side, once. */
export function nodeScript(tools: Tools): string {
  return [
    'set -e',
    `${tools.ip} -batch - <<'EOF'`,
    'link set lo up',
    // One link-local address on lo answers ARP on every veth, so no link needs an address of its own.
    `addr add ${GATEWAY_IP}/32 dev lo`,
    `addr add ${NODE_IP}/32 dev lo`,
    // What no rule has translated ends here and is refused at once instead of timing out.
    `route add local ${SERVICE_NETWORK} dev lo`,
    'EOF',
    'echo 1 > /proc/sys/net/ipv4/ip_forward',
    `mkdir -p ${NETNS_DIRECTORY}`,
    '',
  ].join('\n')
}

/** Lines for `sh` that make the namespaces and links of `pods`. */
export function podsScript(pods: readonly PodLink[], tools: Tools): string {
  const node = pods.flatMap(({ name, ip }) => [
    `netns add ${name}`,
    `link add ${name} type veth peer name eth0 netns ${name}`,
    `link set ${name} up`,
    `route add ${ip}/32 dev ${name} src ${NODE_IP}`,
  ])
  const inside = pods.map(({ name, ip }) => {
    const lines = [
      'link set lo up',
      'link set eth0 up',
      `addr add ${ip}/32 dev eth0`,
      `route add ${GATEWAY_IP}/32 dev eth0 scope link`,
      `route add default via ${GATEWAY_IP} dev eth0`,
    ]
    // As container runtimes set it: a program without rights may listen on port 80 of its own pod.
    const script = `echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start; printf '%s\\n' "$@" | ${tools.ip} -batch -`
    return commandLine(tools.nsenter, `--net=${netnsPath(name)}`, '--', tools.sh, '-c', script, 'sh', ...lines)
  })
  return ['set -e', `${tools.ip} -batch - <<'EOF'`, ...node, 'EOF', ...inside, ''].join('\n')
}

/** Programs may have left their session, but no program leaves the pod's network. */
function killInside(path: string): void {
  const namespaceOf = (file: string) => statSync(file, { throwIfNoEntry: false })?.ino
  const wanted = namespaceOf(path)
  if (wanted === undefined) return
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      if (namespaceOf(`/proc/${entry}/ns/net`) === wanted) process.kill(Number(entry), 'SIGKILL')
    } catch {
      // It ended meanwhile.
    }
  }
}

/** Makes and removes pod networks, gathering what is asked for in the same moment. */
export class PodNetworks {
  readonly #tools: Tools
  #waiting: { pod: PodLink; resolve: () => void; reject: (error: Error) => void }[] = []
  #isRunning = false

  constructor(tools: Tools) {
    this.#tools = tools
  }

  add(pod: PodLink): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ pod, resolve, reject })
      if (!this.#isRunning) {
        this.#isRunning = true
        setImmediate(() => void this.#drain())
      }
    })
  }

  /** Ends what still runs in the namespace and removes it; the link disappears with it. */
  async remove(name: string): Promise<void> {
    killInside(netnsPath(name))
    await run(this.#tools.ip, ['-batch', '-'], `link del ${name}\nnetns del ${name}\n`)
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      const pods = batch.map(({ pod }) => pod)
      const { code, stderr } = await run(this.#tools.sh, ['-c', podsScript(pods, this.#tools)])
      for (const { pod, resolve, reject } of batch) {
        if (code === 0) resolve()
        else
          reject(
            new Error(
              `the network of ${pods.length} pods (${pod.name} among them) could not be made: ${stderr.trim()}`,
            ),
          )
      }
    }
    this.#isRunning = false
  }
}
