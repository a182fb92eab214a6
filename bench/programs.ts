/**
 * The proxy as users get it: the bundle that the local cluster starts too, made anew when a source has changed. Bundle
 * and Node are used where the proxies' user can read them; a checkout in a private home is copied.
 */
import { chmodSync, cpSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { preparePrograms } from '../local/programs.ts'

export interface Programs {
  readonly node: string
  readonly proxy: string
}

/** @param proxyFile another build of the proxy, or `undefined` for the sources as they are */
export async function programsFor(folder: string, proxyFile: string | undefined): Promise<Programs> {
  return {
    node: readableNode(folder),
    proxy: proxyFile === undefined ? await bundledProxy(folder) : resolve(proxyFile),
  }
}

/** A copy of its own: the next change of a source takes the original away. */
async function bundledProxy(folder: string): Promise<string> {
  const programs = join(folder, 'programs')
  cpSync(await preparePrograms(), programs, { recursive: true, dereference: true })
  chmodSync(programs, 0o755)
  return join(programs, 'proxy.cjs')
}

function readableNode(folder: string): string {
  if (isReadableByAll(process.execPath)) return process.execPath
  const copy = join(folder, 'node')
  cpSync(process.execPath, copy, { dereference: true })
  return copy
}

const OTHERS_READ_AND_EXECUTE = 0o005
const OTHERS_EXECUTE = 0o001

function isReadableByAll(file: string): boolean {
  if ((statSync(file).mode & OTHERS_READ_AND_EXECUTE) !== OTHERS_READ_AND_EXECUTE) return false
  for (let at = dirname(file); ; at = dirname(at)) {
    if ((statSync(at).mode & OTHERS_EXECUTE) === 0) return false
    if (at === '/') return true
  }
}
