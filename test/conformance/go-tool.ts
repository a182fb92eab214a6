/** Programs of Go modules: found, or built once per version into the cache. */
import { cached, lastWords, run, toolFolder } from './tool-cache.ts'

/** The largest (gRPC's interop pair) takes about three minutes on two busy cores. */
const BUILD_TIMEOUT_MS = 600_000

export interface GoTool {
  /** Name of the cache folder, before the version. */
  readonly name: string
  readonly version: string
  /** Import paths; a program has the name of its last segment. */
  readonly programs: readonly string[]
}

/** @returns the folder of the programs, or the reason where they cannot be had: no Go, or no way to the module proxy */
export async function findGoTool({ name, version, programs }: GoTool): Promise<{ readonly folder: string } | string> {
  const folder = toolFolder(`${name}-${version}`)
  let command = ''
  try {
    await cached(folder, programs.at(-1)!.split('/').at(-1)!, async (making) => {
      for (const program of programs) {
        command = `go install ${program}@${version}`
        // Other tests may be running: the compiler has time.
        await run('nice', ['go', 'install', `${program}@${version}`], {
          env: { ...process.env, GOBIN: making },
          timeout: BUILD_TIMEOUT_MS,
          maxBuffer: 16 << 20,
        })
      }
    })
    return { folder }
  } catch (error) {
    return `${name} ${version} is not there and could not be built with "${command}": ${lastWords(error)}`
  }
}
