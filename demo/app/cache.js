/**
 * `cache`: starts the machine's redis-server, or tcp-cache.js, which speaks the same subset, where there is none.
 * The rest of the demo cannot tell: it sees RESP on port 6379, which the mesh carries as opaque TCP.
 */
import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { number } from './lib/environment.js'
import { log } from './lib/lifecycle.js'

const PORT = number('PORT', 6_379, 1, 65_535)

function findInPath(program) {
  // Debian keeps servers in sbin directories, which a user's PATH may lack.
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/sbin', '/usr/local/bin']
  return folders.map((folder) => join(folder, program)).find(isExecutable)
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const redis = findInPath('redis-server')
if (redis === undefined) {
  log('cache', 'no redis-server on this machine; serving the same commands from tcp-cache.js')
  await import('./tcp-cache.js')
} else {
  const arguments_ = ['--port', String(PORT), '--save', '', '--appendonly', 'no', '--protected-mode', 'no']
  const child = spawn(redis, [...arguments_, '--bind', '*', '-::*'], { stdio: 'inherit' })
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    process.stderr.write(`cache: ${redis} did not start: ${error.message}\n`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGTERM' ? 0 : 1)))
}
