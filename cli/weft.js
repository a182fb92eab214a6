#!/usr/bin/env node
// Starts `weft` with the Node that it brings along. Plain JavaScript, because this file must run on the machine's own
// Node, which may be as old as 20; everything behind it may not.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MISSING, ownNode } from './own-node.js'

const NEEDED_MAJOR = 26
const here = dirname(fileURLToPath(import.meta.url))
const source = join(here, 'main.ts')
const main = existsSync(source) ? source : join(here, '..', 'dist', 'cli.mjs')

if (Number(process.versions.node.split('.')[0]) >= NEEDED_MAJOR) {
  const { main: run } = await import(main)
  process.exitCode = await run(process.argv.slice(2))
} else {
  const node = ownNode()
  if (node === undefined) {
    process.stderr.write(MISSING)
    process.exitCode = 1
  } else {
    // The pipe ends with this process, however it ends; the child ends with the pipe.
    const child = spawn(node, [main, ...process.argv.slice(2)], {
      stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
      env: { ...process.env, WEFT_LAUNCHER_FD: '3' },
    })
    for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
    // A terminal sends Ctrl-C to both; the child decides what it means.
    process.on('SIGINT', () => {})
    child.on('exit', (code, signal) => {
      if (signal !== null) process.kill(process.pid, signal)
      process.exitCode = code ?? 1
    })
  }
}
