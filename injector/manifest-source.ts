/** Where `weft inject` reads manifests: a file, a directory with all below it, standard input, or an https address. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { ManifestError, type ManifestObject, parseManifest } from './manifest.ts'

/** No manifest is longer; a stream without end must not fill the memory. */
const MAX_BYTES = 64 * 1024 * 1024
const FETCH_TIMEOUT_MS = 30_000
const MANIFEST_NAME = /\.(ya?ml|json)$/

/** @throws ManifestError in one sentence when there is nothing to read or it is no manifest */
export async function readManifests(source: string, stdin: Readable): Promise<ManifestObject[]> {
  if (source === '-') return parseManifest(await textOf(stdin, 'standard input'), 'standard input')
  if (source.startsWith('https://')) return parseManifest(await fetched(source), source)
  if (/^[a-z]+:\/\//.test(source)) throw new ManifestError(`${source}: only https addresses are read`)
  try {
    const objects: ManifestObject[] = []
    for (const file of await filesOf(source)) objects.push(...parseManifest(await readFile(file, 'utf8'), file))
    return objects
  } catch (error) {
    if (error instanceof ManifestError) throw error
    const { code, message } = error as NodeJS.ErrnoException
    throw new ManifestError(
      code === 'ENOENT' ? `${source}: there is no such file or directory` : `${source}: ${message}`,
      {
        cause: error,
      },
    )
  }
}

/** Sorted, so that the same directory always gives the same output. */
async function filesOf(path: string): Promise<string[]> {
  if (!(await stat(path)).isDirectory()) return [path]
  const names = await readdir(path, { recursive: true })
  const files = names.filter((name) => MANIFEST_NAME.test(name)).sort()
  if (files.length === 0) throw new ManifestError(`${path}: no file below it ends in .yaml, .yml or .json`)
  return files.map((name) => join(path, name))
}

async function fetched(url: string): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) })
    if (!response.ok || response.body === null)
      throw new ManifestError(`${url}: answered with status ${response.status}`)
    return await textOf(response.body, url)
  } catch (error) {
    if (error instanceof ManifestError) throw error
    const { message, cause } = error as Error
    throw new ManifestError(`${url}: ${cause instanceof Error ? cause.message : message}`, { cause: error })
  }
}

async function textOf(stream: AsyncIterable<Uint8Array | string>, source: string): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of stream) {
    bytes += chunk.length
    if (bytes > MAX_BYTES) throw new ManifestError(`${source}: more than ${MAX_BYTES} bytes, which is no manifest`)
    chunks.push(Buffer.from(chunk as Uint8Array))
  }
  return Buffer.concat(chunks).toString()
}
