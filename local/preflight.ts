/** Before a cluster starts: the system programs are there, or are installed where that is ours to do. */
import { existsSync } from 'node:fs'
import { run } from './run.ts'
import { type FoundTools, findTools, type Tools } from './tools.ts'

export interface Machine {
  readonly isRoot: boolean
  readonly hasApt: boolean
  find(): FoundTools
  /** @returns why it failed, or `undefined` */
  install(packages: readonly string[]): Promise<string | undefined>
}

export const THIS_MACHINE: Machine = {
  isRoot: process.getuid?.() === 0,
  hasApt: existsSync('/usr/bin/apt-get'),
  find: () => findTools(),
  async install(packages) {
    const update = await run('/usr/bin/apt-get', ['update', '-q'])
    const install = await run('/usr/bin/apt-get', ['install', '-y', '-q', '--no-install-recommends', ...packages], '', {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
    if (install.code === 0) return undefined
    return lastLine(install.stderr) || lastLine(update.stderr) || `apt-get exited with ${install.code}`
  },
}

/** The tools, or one sentence about what is missing and what to do. */
export async function prepareTools(machine: Machine, say: (sentence: string) => void): Promise<Tools | string> {
  const found = machine.find()
  if (found.kind === 'complete') return found.tools
  const missing = `${found.programs.join(', ')} ${found.programs.length === 1 ? 'is' : 'are'} missing on this machine`
  const command = `apt-get install ${found.packages.join(' ')}`
  if (!machine.isRoot || !machine.hasApt) {
    return `${missing}; install ${found.packages.join(', ')}${machine.hasApt ? ` (as root: ${command})` : ''}`
  }
  say(`${missing}; installing ${found.packages.join(', ')} with apt-get`)
  const failure = await machine.install(found.packages)
  const again = machine.find()
  if (again.kind === 'complete') return again.tools
  return `${missing}, and ${command} failed: ${failure ?? 'the programs are still missing'}`
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}
