/**
 * The programs that run inside pods (proxy, redirect rules, control plane) as single files beside a Node binary.
 *
 * Started from bundles they are up in a fraction of the time, and every proxy maps the same file. In a checkout the
 * bundles are made on the first start after a change and kept under the hash of all sources; an installed package
 * brings them in `dist/`.
 */
import { createHash } from 'node:crypto'
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundle } from './bundle.ts'

/** Root of the project or the installed package. */
export const PACKAGE_ROOT = findRoot(dirname(fileURLToPath(import.meta.url)))

const SOURCE_FOLDERS = ['api', 'proxy', 'control', 'injector', 'local', 'cli']

/** Makes sure that all bundles exist. @returns the directory that holds them, and `node` */
export async function preparePrograms(): Promise<string> {
  const dist = join(PACKAGE_ROOT, 'dist')
  if (!existsSync(join(PACKAGE_ROOT, 'local', 'programs.ts'))) return dist
  const cache = join(cacheDirectory(), sourceHash())
  if (existsSync(cache)) return cache
  mkdirSync(dirname(cache), { recursive: true })
  const work = mkdtempSync(join(dirname(cache), 'new-'))
  try {
    await bundle(PACKAGE_ROOT, work)
    // Renamed when whole: two first starts at once each see either nothing or everything.
    renameSync(work, cache)
  } catch (cause) {
    rmSync(work, { recursive: true, force: true })
    if (!existsSync(cache)) throw cause
  }
  removeOldCaches(dirname(cache), cache)
  return cache
}

function sourceHash(): string {
  const hash = createHash('sha256').update(process.version).update(process.arch)
  for (const folder of SOURCE_FOLDERS) {
    for (const entry of readdirSync(join(PACKAGE_ROOT, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !/\.(ts|js)$/.test(entry.name) || /\.test\.ts$/.test(entry.name)) continue
      const file = join(entry.parentPath, entry.name)
      hash.update(file.slice(PACKAGE_ROOT.length)).update(readFileSync(file))
    }
  }
  hash.update(readFileSync(join(PACKAGE_ROOT, 'package-lock.json')))
  return hash.digest('hex').slice(0, 16)
}

/** In the checkout where that is possible: it goes with it. */
function cacheDirectory(): string {
  const inCheckout = join(PACKAGE_ROOT, 'node_modules', '.cache', 'weft')
  try {
    mkdirSync(inCheckout, { recursive: true })
    accessSync(inCheckout, constants.W_OK)
    return inCheckout
  } catch {
    const own = homedir()
    return join(own === '' ? tmpdir() : own, '.cache', 'weft')
  }
}

/** Bundles of earlier sources; a running cluster has its own copy of them. */
function removeOldCaches(directory: string, current: string): void {
  for (const entry of readdirSync(directory)) {
    const path = join(directory, entry)
    if (path !== current && !entry.startsWith('new-')) rmSync(path, { recursive: true, force: true })
  }
}

function findRoot(from: string): string {
  let at = from
  while (at !== '/' && !existsSync(join(at, 'package.json'))) at = dirname(at)
  return at
}
