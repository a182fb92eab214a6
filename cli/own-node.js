// The Node that the package brings along, for files that must run on the machine's own Node (20 and newer). Plain
// JavaScript for the same reason.
//
// As a program it runs a command with that Node in front of PATH: npm links the binary itself, but older versions leave it
// out for optional packages.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Path of the binary, `undefined` when the package of this machine's architecture is not installed. */
export function ownNode() {
  try {
    const root = dirname(createRequire(import.meta.url).resolve(`node-linux-${process.arch}/package.json`))
    const node = join(root, 'bin', 'node')
    return existsSync(node) ? node : undefined
  } catch {
    return undefined
  }
}

export const MISSING = `weft: the package node-linux-${process.arch} is missing; install with npm ci (without --omit=optional), on Linux x64 or arm64\n`

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const node = ownNode()
  const [command, ...args] = process.argv.slice(2)
  if (node === undefined || command === undefined) {
    process.stderr.write(node === undefined ? MISSING : 'usage: node cli/own-node.js COMMAND [ARGUMENTS]\n')
    process.exit(1)
  }
  const PATH = `${dirname(node)}${delimiter}${process.env.PATH ?? ''}`
  const { status, signal, error } = spawnSync(command, args, { stdio: 'inherit', env: { ...process.env, PATH } })
  if (error !== undefined) process.stderr.write(`weft: cannot start ${command}: ${error.message}\n`)
  if (signal !== null) process.kill(process.pid, signal)
  process.exit(status ?? 1)
}
