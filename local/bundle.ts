/** Makes the bundles of `programs.ts` with esbuild, a build tool that only checkouts have. */
import { cpSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { BuildOptions } from 'esbuild'
import { writeCodeCache } from './code-cache.ts'

/** Programs of one file each, by name, with the source they are made from. */
const PROGRAMS = {
  control: 'control/main.ts',
  supervisor: 'local/supervisor.ts',
  'local-control': 'local/control-plane.ts',
} as const

/** Makes everything in `directory`, which exists. `root` is the checkout. */
export async function bundle(root: string, directory: string): Promise<void> {
  const { build, stop } = await import('esbuild')
  const common: BuildOptions = {
    outdir: directory,
    bundle: true,
    platform: 'node',
    target: 'node26',
    // The last two are of checkouts, which alone make bundles.
    external: ['koffi', 'esbuild', '../test/support/*'],
    logLevel: 'warning',
  }
  const modules: BuildOptions = {
    ...common,
    format: 'esm',
    outExtension: { '.js': '.mjs' },
    // CommonJS packages in an ES module bundle still ask for `require`.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  }
  const entries = Object.entries(PROGRAMS).map(([name, source]) => ({ in: join(root, source), out: name }))
  await build({ ...modules, entryPoints: entries })
  // Commands are loaded when they are asked for, so the command line is split.
  const cli = [{ in: join(root, 'cli/main.ts'), out: 'cli' }]
  await build({ ...modules, entryPoints: cli, splitting: true, chunkNames: 'chunks/[name]-[hash]' })
  const script: BuildOptions = { ...common, format: 'cjs', outExtension: { '.js': '.cjs' } }
  await build({ ...script, entryPoints: [{ in: join(root, 'proxy/start.ts'), out: 'proxy' }] })
  await build({
    ...script,
    entryPoints: [{ in: join(root, 'proxy/main.ts'), out: 'proxy.bundle' }],
    // `proxy/start.ts` passes both in.
    banner: { js: '(function (require, __url) {' },
    footer: { js: '})' },
    define: { 'import.meta.url': '__url' },
    // Every sidecar has the source in its own memory; names stay, for stack traces and profiles.
    minifyWhitespace: true,
    minifySyntax: true,
    lineLimit: 120,
  })
  // Its service would stay beside us for as long as the cluster runs.
  await stop()
  copyKoffi(join(root, 'node_modules'), join(directory, 'node_modules'))
  await writeCodeCache(directory)
}

/** koffi has a native part, so it stays a package: its entry and the binary of this machine. */
function copyKoffi(modules: string, target: string): void {
  // Its JavaScript without the C++ that it was made from.
  const filter = (path: string) => statSync(path).isDirectory() || /\.(cjs|js|json)$/.test(path)
  for (const name of ['package.json', 'index.js', 'index.cjs', 'src']) {
    cpSync(join(modules, 'koffi', name), join(target, 'koffi', name), { recursive: true, filter })
  }
  const native = `koffi-linux-${process.arch}`
  cpSync(join(modules, '@koromix', native), join(target, '@koromix', native), { recursive: true })
}
