/**
 * Load on a route that changes all the time, where each response tells by which versions of it the request was judged.
 *
 * Every version `n` of the route writes `n` in three places: a request field of the rule, a request field of the backend
 * and a response field; even versions send to one service, odd ones to another, and every tenth redirects to `/n`
 * instead. A response whose places differ is a mixture. A version below one that was seen before the request began is
 * a step back.
 */

import { Agent } from 'node:http'
import { http } from './http.ts'
import { inParallel, Summary, type SummaryReport } from './summary.ts'

export interface VersionsReport extends SummaryReport {
  readonly newest: number
  /** Different versions that judged requests. */
  readonly count: number
}

const summary = new Summary()
const seen = new Set<number>()
let newest = 0
let isStopping = false
let ended: Promise<unknown> = Promise.resolve()

export function startVersions({ url, concurrency }: { readonly url: string; readonly concurrency: number }): void {
  const pool = new Agent({ keepAlive: true, maxSockets: concurrency })
  ended = inParallel(concurrency, concurrency, async () => {
    while (!isStopping) {
      const oldest = newest
      try {
        const version = versionOf(await http({ url }, pool))
        if (version < oldest) throw new Error(`version ${version} after version ${oldest}`)
        seen.add(version)
        newest = Math.max(newest, version)
        summary.success('one version')
      } catch (error) {
        summary.failure((error as Error).message)
      }
    }
  }).then(() => pool.destroy())
}

export function versionsSeen(_: object = {}): VersionsReport {
  return { ...summary.report(), newest, count: seen.size }
}

export async function stopVersions(_: object = {}): Promise<VersionsReport> {
  isStopping = true
  await ended
  return versionsSeen()
}

function versionOf({ status, headers, body }: Awaited<ReturnType<typeof http>>): number {
  if (status === 302) {
    const [, version = ''] = /\/(\d+)$/.exec(headers.location ?? '') ?? []
    if (Number(version) % 10 === 0) return Number(version)
    throw new Error(`a redirect to ${headers.location}`)
  }
  if (status !== 200) throw new Error(`${status} ${headers['l5d-proxy-error'] ?? body.slice(0, 200)}`)
  const shown = JSON.parse(body) as { readonly pod: string; readonly headers: Record<string, string> }
  const found = [shown.headers['x-of-rule'], shown.headers['x-of-backend'], headers['x-of-response']]
  const service = Number(found[0]) % 2 === 0 ? 'even-' : 'odd-'
  if (new Set(found).size === 1 && shown.pod.startsWith(service) && Number(found[0]) % 10 !== 0) return Number(found[0])
  throw new Error(`a mixture of versions ${found.join(', ')} at ${shown.pod}`)
}
