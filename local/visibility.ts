/**
 * Lets containers, which run as other users, reach programs below directories that only their owner may enter.
 *
 * A checkout in /root or in a home directory of mode 0700 is the usual case on a fresh machine. In the mount namespace
 * of a container such a directory is covered by an empty one that everybody may enter and that contains, at the same
 * paths, just what is needed. The machine itself is not changed, and the rest of the directory stays hidden.
 */
import { statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { commandLine } from './pods/shell.ts'

const OTHERS_MAY_ENTER = 0o001

/** The highest directory above `path` that others may not enter. */
export function closedAncestor(
  path: string,
  modeOf: (path: string) => number | undefined = modeOfFile,
): string | undefined {
  const ancestors: string[] = []
  for (let at = dirname(path); at !== '/' && at !== '.'; at = dirname(at)) ancestors.unshift(at)
  return ancestors.find((each) => ((modeOf(each) ?? OTHERS_MAY_ENTER) & OTHERS_MAY_ENTER) === 0)
}

export interface Cover {
  /** What to mount ... */
  readonly source: string
  /** ... over the closed directory. */
  readonly target: string
}

export interface Visibility {
  /** Lines of shell that build the covers. */
  readonly script: readonly string[]
  readonly covers: readonly Cover[]
}

/** @param scratch directory of the cluster's own to build the covers in */
export function planVisibility(paths: readonly string[], scratch: string, modeOf = modeOfFile): Visibility {
  const byCover = new Map<string, string[]>()
  for (const path of paths) {
    const cover = closedAncestor(path, modeOf) ?? (isClosed(path, modeOf) ? path : undefined)
    if (cover !== undefined) byCover.set(cover, [...(byCover.get(cover) ?? []), path])
  }
  const script: string[] = []
  const covers: Cover[] = []
  for (const [cover, inside] of byCover) {
    const source = join(scratch, String(covers.length))
    covers.push({ source, target: cover })
    script.push(
      commandLine('mkdir', '-p', source),
      commandLine('mount', '-n', '-t', 'tmpfs', '-o', 'mode=755', 'weft', source),
    )
    // A path inside another one comes with it; the closed directory itself stays closed.
    const roots = new Set(inside.filter((path) => !inside.some((other) => path.startsWith(`${other}/`))))
    for (const path of roots) {
      if (path === cover) continue
      const at = join(source, path.slice(cover.length))
      script.push(commandLine('mkdir', '-p', at), commandLine('mount', '-n', '--rbind', path, at))
    }
  }
  return { script, covers }
}

function isClosed(path: string, modeOf: (path: string) => number | undefined): boolean {
  return ((modeOf(path) ?? OTHERS_MAY_ENTER) & OTHERS_MAY_ENTER) === 0
}

function modeOfFile(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mode
}
