/** The system programs that a local cluster is made with: where they are, and which package brings a missing one. */
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'

export const TOOL_PACKAGES = {
  ip: 'iproute2',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  mount: 'mount',
  sh: 'dash',
} as const
export type ToolName = keyof typeof TOOL_PACKAGES

export interface Tools extends Readonly<Record<ToolName, string>> {
  /** One of the two is there. */
  readonly nft: string | undefined
  readonly iptablesRestore: string | undefined
}

export type FoundTools =
  | { readonly kind: 'complete'; readonly tools: Tools }
  | { readonly kind: 'missing'; readonly programs: readonly string[]; readonly packages: readonly string[] }

/** Administrators' programs are often outside an ordinary user's PATH. */
const SYSTEM_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

export function findTools(path: string = process.env.PATH ?? ''): FoundTools {
  const directories = [...path.split(':').filter((each) => each.startsWith('/')), ...SYSTEM_PATH]
  const names = Object.keys(TOOL_PACKAGES) as ToolName[]
  const found = new Map(names.map((name) => [name, findProgram(name, directories)]))
  const nft = findProgram('nft', directories)
  const iptablesRestore = findProgram('iptables-restore', directories)
  const missing = names.filter((name) => found.get(name) === undefined)
  const programs = [...missing, ...(nft === undefined && iptablesRestore === undefined ? ['nft or iptables'] : [])]
  if (programs.length > 0) {
    const packages = missing.map((name) => TOOL_PACKAGES[name])
    if (programs.length > missing.length)
      return { kind: 'missing', programs, packages: [...new Set([...packages, 'nftables'])] }
    return { kind: 'missing', programs, packages: [...new Set(packages)] }
  }
  return {
    kind: 'complete',
    tools: { ...(Object.fromEntries(found) as Record<ToolName, string>), nft, iptablesRestore },
  }
}

/** The first executable file called `name`, or `undefined`. */
export function findProgram(name: string, directories: readonly string[]): string | undefined {
  return directories.map((directory) => join(directory, name)).find(isExecutable)
}

/** Whether a container could start `name`: found on `path`, or executable where it is named with a slash. */
export function isRunnable(name: string, path: string): boolean {
  return name.includes('/') ? isExecutable(name) : findProgram(name, path.split(':')) !== undefined
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
