/**
 * Mount points of a container, which sees the file system of the machine through a mount namespace of its own.
 *
 * Nothing may be created on the machine's disk for a container, so a mount path that does not exist is made inside
 * something private: below `/run` in the container's own tmpfs, elsewhere in an overlay over the nearest directory
 * that does exist. Only directly below `/` there is nothing to put an overlay on.
 */
import { dirname, join, normalize } from 'node:path'
import { ContainerConfigError } from './environment.ts'
import { commandLine } from './shell.ts'

export interface Mount {
  /** A file or directory that exists. */
  readonly source: string
  readonly isFile: boolean
  readonly mountPath: string
  readonly isReadOnly: boolean
}

export interface MountContext {
  /** Private directory of the container (on tmpfs) for its `/run` and for overlays. */
  readonly scratch: string
  readonly isRootless: boolean
  /** `undefined` when there is nothing; symbolic links are followed. */
  fileType(path: string): 'file' | 'directory' | undefined
  realPath(path: string): string
}

/** The lines of shell that make all mounts. @throws ContainerConfigError for a path that cannot be made */
export function mountScript(mounts: readonly Mount[], context: MountContext): string[] {
  const run = join(context.scratch, 'run')
  const inRun: string[] = [commandLine('mkdir', '-p', run), commandLine('chmod', '755', run)]
  const elsewhere: string[] = []
  const overlays = new Map<string, string>()
  for (const mount of [...mounts].sort((a, b) => a.mountPath.length - b.mountPath.length)) {
    const target = resolveTarget(normalize(mount.mountPath).replace(/(.)\/$/, '$1'), context)
    if (target === '/run') throw new ContainerConfigError('mountPath /run: every container has its own; mount below it')
    if (target.startsWith('/run/')) {
      inRun.push(
        ...makePoint(join(run, target.slice('/run/'.length)), mount.isFile),
        ...bind(mount, join(run, target.slice('/run/'.length))),
      )
      continue
    }
    const existing = context.fileType(target)
    if (existing !== undefined) {
      if ((existing === 'file') !== mount.isFile) {
        throw new ContainerConfigError(
          `mountPath ${mount.mountPath}: this machine has a ${existing} there; choose another path`,
        )
      }
    } else {
      const parent = nearestDirectory(target, context)
      if (parent === '/') {
        throw new ContainerConfigError(
          `mountPath ${mount.mountPath}: this machine has no directory ${target.split('/').slice(0, 2).join('/')}; create it, or mount below /run or /tmp`,
        )
      }
      if (!overlays.has(parent)) {
        const layer = join(context.scratch, `overlay-${overlays.size}`)
        overlays.set(parent, layer)
        elsewhere.push(...overlay(parent, layer, context.isRootless))
      }
      elsewhere.push(...makePoint(target, mount.isFile))
    }
    elsewhere.push(...bind(mount, target))
  }
  // Last, because it hides the directories that the other mounts come from.
  return [...inRun, ...elsewhere, commandLine('mount', '-n', '--rbind', run, '/run')]
}

function bind({ source, isReadOnly }: Mount, target: string): string[] {
  const line = commandLine('mount', '-n', '--rbind', source, target)
  return isReadOnly ? [line, commandLine('mount', '-n', '-o', 'remount,bind,ro', target)] : [line]
}

function makePoint(path: string, isFile: boolean): string[] {
  if (!isFile) return [commandLine('mkdir', '-p', path)]
  return [commandLine('mkdir', '-p', dirname(path)), `: >> ${commandLine(path)}`]
}

function overlay(lower: string, layer: string, isRootless: boolean): string[] {
  const options = `lowerdir=${lower},upperdir=${layer}/upper,workdir=${layer}/work${isRootless ? ',userxattr' : ''}`
  return [
    commandLine('mkdir', '-p', `${layer}/upper`, `${layer}/work`),
    commandLine('mount', '-n', '-t', 'overlay', 'overlay', '-o', options, lower),
  ]
}

/** Follows symbolic links of the part that exists: `/var/run/x` is `/run/x`. */
function resolveTarget(path: string, context: MountContext): string {
  const parent = nearestDirectory(path, context)
  if (context.fileType(path) !== undefined) return context.realPath(path)
  return join(context.realPath(parent), path.slice(parent.length))
}

function nearestDirectory(path: string, context: MountContext): string {
  let at = path
  while (at !== '/' && context.fileType(at) !== 'directory') at = dirname(at)
  return at
}
