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
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BuildOptions } from 'esbuild'

/** Root of the project or the installed package. */
export const PACKAGE_ROOT = findRoot(dirname(fileURLToPath(import.meta.url)))

/** Bundles by name, with the source each is made from. */
export const BUNDLES = {
  proxy: 'proxy/main.ts',
  control: 'control/main.ts',
  cli: 'cli/main.ts',
  supervisor: 'local/supervisor.ts',
  'local-control': 'local/control-plane.ts',
} as const
export type BundleName = keyof typeof BUNDLES

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
    await bundle(work)
    // Renamed when whole: two first starts at once each see either nothing or everything.
    renameSync(work, cache)
  } catch (cause) {
    rmSync(work, { recursive: true, force: true })
    if (!existsSync(cache)) throw cause
  }
  removeOldCaches(dirname(cache), cache)
  return cache
}

/** Bundles everything into `directory`. What is not written yet is left out. */
export async function bundle(directory: string): Promise<void> {
  // A build tool; only checkouts have and need it.
  const { build, stop } = await import('esbuild')
  const entryPoints = Object.fromEntries(
    Object.entries(BUNDLES)
      .filter(([, source]) => existsSync(join(PACKAGE_ROOT, source)))
      .map(([name, source]) => [name, join(PACKAGE_ROOT, source)]),
  )
  const common: BuildOptions = {
    outdir: directory,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node26',
    external: ['koffi', 'esbuild'],
    logLevel: 'warning',
    // CommonJS packages in an ES module bundle still ask for `require`.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  }
  const { cli, ...single } = entryPoints
  await build({ ...common, entryPoints: single })
  // Commands are loaded when they are asked for, so the CLI is split.
  if (cli !== undefined)
    await build({ ...common, entryPoints: { cli }, splitting: true, chunkNames: 'chunks/[name]-[hash]' })
  // Its service would stay beside us for as long as the cluster runs.
  await stop()
  copyKoffi(directory)
}

/** koffi has a native part, so it stays a package: its entry and the binary of this machine. */
function copyKoffi(directory: string): void {
  const modules = join(PACKAGE_ROOT, 'node_modules')
  const target = join(directory, 'node_modules')
  // Its JavaScript without the C++ that it was made from.
  const filter = (path: string) => statSync(path).isDirectory() || /\.(cjs|js|json)$/.test(path)
  for (const name of ['package.json', 'index.js', 'index.cjs', 'src']) {
    cpSync(join(modules, 'koffi', name), join(target, 'koffi', name), { recursive: true, filter })
  }
  const native = `koffi-linux-${process.arch}`
  cpSync(join(modules, '@koromix', native), join(target, '@koromix', native), { recursive: true })
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
