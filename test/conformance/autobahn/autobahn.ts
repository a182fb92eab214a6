/**
 * Autobahn (PyPI autobahntestsuite), the conformance suite for WebSocket: found, or installed once per version into a cache
 * outside the tree; and a run of its fuzzing client against servers on this machine.
 *
 * The suite is a Python 2.7 program, also in the version of 2025. Its dependencies are pinned by itself.
 */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { cached, lastWords, run, toolFolder } from '../tool-cache.ts'

const VERSION = '25.10.1'
const PACKAGE = `autobahntestsuite==${VERSION}`
const INSTALL_TIMEOUT_MS = 180_000

export interface Autobahn {
  readonly python: string
  /** Python's "user base": where packages lie, with a `bin`. */
  readonly folder: string
}

/** What the fuzzing client says of a case: about the messages, and about how the connection was closed. */
export interface Verdict {
  readonly behavior: string
  readonly behaviorClose: string
  /** In words, for a case that failed. */
  readonly reason?: string
}

/** Verdicts by server name, then by case (`6.4.1`). */
export type Verdicts = ReadonlyMap<string, ReadonlyMap<string, Verdict>>

/** @returns the reason where it cannot be had: no Python 2.7, or no way to the package index */
export async function findAutobahn(): Promise<Autobahn | string> {
  const python = await findPython2()
  if (python === undefined) {
    return `Autobahn's test suite needs Python 2.7 with pip, and there is none as python2.7, python2 or in ${pyenvVersions()}`
  }
  const folder = toolFolder(`autobahntestsuite-${VERSION}`)
  try {
    await cached(folder, 'bin/wstest', async (making) => {
      const args = ['-m', 'pip', 'install', '--user', '--no-warn-script-location', '--quiet', PACKAGE]
      await run(python, args, { env: environment(making), timeout: INSTALL_TIMEOUT_MS, maxBuffer: 16 << 20 })
    })
    return { python, folder }
  } catch (error) {
    return `Autobahn's test suite is not there and could not be installed with "${python} -m pip install --user ${PACKAGE}": ${lastWords(error)}`
  }
}

export interface AutobahnRun {
  /** Ports of this machine by name. */
  readonly servers: ReadonlyMap<string, number>
  /** Patterns of cases as Autobahn takes them: `1.*`, `6.4.1`. */
  readonly cases: readonly string[]
  readonly timeoutMs: number
}

/** Every case against every server, one after the other. */
export async function runAutobahn({ python, folder }: Autobahn, options: AutobahnRun): Promise<Verdicts> {
  const outdir = await mkdtemp(join(tmpdir(), 'weft-autobahn-'))
  try {
    const spec = {
      outdir,
      servers: [...options.servers].map(([agent, port]) => ({ agent, url: `ws://127.0.0.1:${port}` })),
      cases: options.cases,
      'exclude-cases': [],
      'exclude-agent-cases': {},
    }
    const file = join(outdir, 'spec.json')
    await writeFile(file, JSON.stringify(spec))
    await run(python, [join(folder, 'bin', 'wstest'), '--mode', 'fuzzingclient', '--spec', file], {
      cwd: outdir,
      env: environment(folder),
      timeout: options.timeoutMs,
      maxBuffer: 64 << 20,
    })
    const index = JSON.parse(await readFile(join(outdir, 'index.json'), 'utf8')) as Record<
      string,
      Record<string, Verdict & { readonly reportfile: string }>
    >
    const verdicts = new Map<string, Map<string, Verdict>>()
    for (const [agent, cases] of Object.entries(index)) {
      const ofAgent = new Map<string, Verdict>()
      for (const [id, { behavior, behaviorClose, reportfile }] of Object.entries(cases)) {
        const verdict = { behavior, behaviorClose }
        const report = behavior === 'FAILED' ? await readFile(join(outdir, reportfile), 'utf8') : undefined
        const reason = report === undefined ? undefined : (JSON.parse(report) as { readonly result: string }).result
        ofAgent.set(id, reason === undefined ? verdict : { ...verdict, reason })
      }
      verdicts.set(agent, ofAgent)
    }
    return verdicts
  } finally {
    await rm(outdir, { recursive: true, force: true })
  }
}

/** Large and compressed cases have a deadline of Autobahn's own, which a busy machine may miss. */
export function isOutOfTime(verdict: Verdict | undefined): boolean {
  return /did not finish within/.test(verdict?.reason ?? '')
}

/** Best first. `INFORMATIONAL` is no verdict but an observation. */
const RANKS = ['OK', 'NON-STRICT', 'UNCLEAN', 'WRONG CODE', 'UNIMPLEMENTED', 'FAILED BY CLIENT', 'FAILED']

/** Whether `verdict` is at least as good as `reference`; an informational case is as good as any. */
export function isAsGood(verdict: Verdict | undefined, reference: Verdict): boolean {
  if (verdict === undefined) return false
  return isNoWorse(verdict.behavior, reference.behavior) && isNoWorse(verdict.behaviorClose, reference.behaviorClose)
}

function isNoWorse(behavior: string, reference: string): boolean {
  if (reference === 'INFORMATIONAL') return true
  const rank = RANKS.indexOf(behavior)
  return rank !== -1 && rank <= RANKS.indexOf(reference)
}

function environment(userBase: string): NodeJS.ProcessEnv {
  return { ...process.env, PYTHONUSERBASE: userBase, PYTHONWARNINGS: 'ignore' }
}

async function findPython2(): Promise<string | undefined> {
  const versions = await readdir(pyenvVersions()).catch(() => [])
  const ofPyenv = versions
    .filter((name) => name.startsWith('2.7.'))
    .map((name) => join(pyenvVersions(), name, 'bin', 'python'))
  for (const python of ['python2.7', 'python2', ...ofPyenv]) {
    const isUsable = await run(python, ['-c', 'import pip, sys; sys.exit(sys.version_info[:2] != (2, 7))']).then(
      () => true,
      () => false,
    )
    if (isUsable) return python
  }
  return undefined
}

function pyenvVersions(): string {
  return join(process.env.PYENV_ROOT ?? join(homedir(), '.pyenv'), 'versions')
}
