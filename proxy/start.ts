/**
 * Starts the bundled proxy (`proxy.bundle.cjs`, beside this file) from V8's code cache of it: without the cache a fifth of a
 * sidecar's start is reading its own source. `local/code-cache.ts` makes it when the bundle is made.
 *
 * Both are CommonJS: an ES module that imports `node:fs` loads all that it could ever export, streams among them.
 *
 * V8 refuses a cache of another version or other flags; the proxy is then compiled as usual, only later.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Script } from 'node:vm'
import { CODE_CACHE_VARIABLE } from './node-flags.ts'

const file = join(__dirname, 'proxy.bundle.cjs')
const writeTo = process.env[CODE_CACHE_VARIABLE]

// The bundle is one function, and ASCII: read so it is copied once, and a character is a byte for as long as the proxy runs.
const script = new Script(readFileSync(file, 'latin1'), {
  filename: file,
  cachedData: writeTo === undefined ? readCache() : undefined,
})
// What has run until then is in the cache, not only what a first look at the source compiles.
if (writeTo !== undefined) process.once('exit', () => writeFileSync(writeTo, script.createCachedData()))
script.runInThisContext()(createRequire(file), pathToFileURL(file).href)

function readCache(): Buffer | undefined {
  try {
    return readFileSync(join(__dirname, 'proxy.cache'))
  } catch {
    return undefined
  }
}
