/**
 * Where suites that are not npm packages are kept once they are built: outside the tree, one folder per version, so that a
 * new version is a new folder and a clean checkout builds nothing again.
 */
import type { ExecFileException } from 'node:child_process'
import { execFile } from 'node:child_process'
import { access, constants, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

export const run = promisify(execFile)

/** The folder of one tool in one version; it need not exist. */
export function toolFolder(name: string): string {
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'weft', name)
}

/**
 * Fills `folder` by `build` unless the program `wanted` is there. `build` gets an empty folder beside it, which takes its place
 * only when it is complete: a build that was cut leaves nothing behind that looks like a tool.
 */
export async function cached(folder: string, wanted: string, build: (folder: string) => Promise<void>): Promise<void> {
  if (await isProgram(join(folder, wanted))) return
  await mkdir(dirname(folder), { recursive: true })
  const making = await mkdtemp(`${folder}.making-`)
  try {
    await build(making)
    await rm(folder, { recursive: true, force: true })
    await rename(making, folder)
  } catch (error) {
    await rm(making, { recursive: true, force: true })
    // Somebody else may have been faster; both are the same.
    if (!(await isProgram(join(folder, wanted)))) throw error
  }
}

/** What a program said before it failed, in one line: the last it wrote to stderr, or why it did not run. */
export function lastWords(error: unknown): string {
  const { stderr, message, killed } = error as ExecFileException & { stderr?: string }
  const lines = (stderr ?? '').trim().split('\n')
  if (killed === true) return 'it took too long and was ended'
  return lines.at(-1) || message.split('\n')[0] || 'no reason was given'
}

async function isProgram(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}
