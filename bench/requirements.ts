/** What the benchmark needs of the machine, asked before anything is made. */
import { accessSync, constants, existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'

const PROGRAMS = [
  { program: 'ip', from: 'iproute2' },
  { program: 'nft', from: 'nftables' },
  { program: 'haproxy', from: 'haproxy' },
  { program: 'nginx', from: 'nginx-light' },
  { program: 'nghttpx', from: 'nghttp2-proxy' },
  { program: 'taskset', from: 'util-linux' },
  { program: 'setpriv', from: 'util-linux' },
] as const

/** One sentence that says what is missing, or `undefined`. */
export function missingRequirement(): string | undefined {
  if (process.getuid?.() !== 0) return 'run the benchmark as root: it makes network namespaces and pins processes'
  if (availableParallelism() < 2) return 'the benchmark pins two proxies to two cores, and this machine has one'
  if (!existsSync('/proc/self/schedstat')) return 'the kernel has no /proc/PID/schedstat; it needs CONFIG_SCHED_INFO'
  const missing = PROGRAMS.filter(({ program }) => !isInPath(program))
  if (missing.length === 0) return undefined
  const packages = [...new Set(missing.map(({ from }) => from))].join(' ')
  return `${missing.map(({ program }) => program).join(', ')} not found; on Debian: apt-get install ${packages}`
}

export function isInPath(program: string): boolean {
  return (process.env.PATH ?? '').split(':').some((folder) => {
    const file = join(folder, program)
    if (!existsSync(file)) return false
    try {
      accessSync(file, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
