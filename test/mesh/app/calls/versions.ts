/**
 * Load on a route that changes all the time, where each response tells by which versions of it the request was judged.
 *
 * Every version `n` of the route writes `n` in three places: a request field of the rule, a request field of the backend
 * and a response field; even versions send to one service, odd ones to another, and every tenth redirects to `/n`
 * instead. A response whose places differ is a mixture. A version below one that was seen before the request began is
 * a step back.
 *
 * Over gRPC there is no redirect. Of the routes of a server (`inbound`) there is one pod and no backend; two request
 * fields tell, and a refusal is a mixture too, since each version admits the client.
 */

import { Agent } from 'node:http'
import { channel, grpcFields } from './grpc.ts'
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

export type Judge = 'outbound' | 'inbound' | 'grpc'

export function startVersions({
  url,
  concurrency,
  judge = 'outbound',
}: {
  /** Of gRPC: `host:port`. */
  readonly url: string
  readonly concurrency: number
  readonly judge?: Judge
}): void {
  const { ask, end } = judge === 'grpc' ? overGrpc(url) : overHttp(url, concurrency, judge)
  ended = inParallel(concurrency, concurrency, async () => {
    while (!isStopping) {
      const oldest = newest
      try {
        const version = await ask()
        if (version < oldest) throw new Error(`version ${version} after version ${oldest}`)
        seen.add(version)
        newest = Math.max(newest, version)
        summary.success('one version')
      } catch (error) {
        summary.failure((error as Error).message)
      }
    }
  }).then(end)
}

export function versionsSeen(_: object = {}): VersionsReport {
  return { ...summary.report(), newest, count: seen.size }
}

export async function stopVersions(_: object = {}): Promise<VersionsReport> {
  isStopping = true
  await ended
  return versionsSeen()
}

interface Asking {
  /** @returns the version that judged the request @throws where it was none, or more than one */
  ask(): Promise<number>
  end(): void
}

function overHttp(url: string, maxSockets: number, judge: 'outbound' | 'inbound'): Asking {
  const pool = new Agent({ keepAlive: true, maxSockets })
  const ask = async () => {
    const { status, headers, body } = await http({ url }, pool)
    if (status === 302) return redirectVersion(String(headers.location))
    if (status !== 200) throw new Error(`${status} ${headers['l5d-proxy-error'] ?? body.slice(0, 200)}`)
    const shown = JSON.parse(body) as { readonly pod: string; readonly headers: Record<string, string> }
    const { 'x-of-rule': rule, 'x-of-backend': backend, 'x-of-rule-too': ruleToo } = shown.headers
    const version =
      judge === 'inbound'
        ? oneVersion([rule, ruleToo], shown.pod)
        : oneVersion([rule, backend, headers['x-of-response']?.toString()], shown.pod, serviceOf)
    if (version % 10 === 0) throw new Error(`version ${version}, which redirects, was served by ${shown.pod}`)
    return version
  }
  return { ask, end: () => pool.destroy() }
}

function overGrpc(target: string): Asking {
  const client = channel(target)
  const ask = async () => {
    const { pod, fields } = await grpcFields(client)
    const found = ['x-of-rule', 'x-of-backend', 'x-of-response'].map((name) => fields.get(name))
    return oneVersion(found, pod, serviceOf)
  }
  return { ask, end: () => client.close() }
}

function redirectVersion(location: string): number {
  const [, version = ''] = /\/(\d+)$/.exec(location) ?? []
  if (version !== '' && Number(version) % 10 === 0) return Number(version)
  throw new Error(`a redirect to ${location}`)
}

function serviceOf(version: number): string {
  return version % 2 === 0 ? 'even-' : 'odd-'
}

function oneVersion(
  found: readonly (string | undefined)[],
  pod: string,
  podPrefix: (version: number) => string = () => '',
): number {
  const version = Number(found[0])
  if (new Set(found).size === 1 && version > 0 && pod.startsWith(podPrefix(version))) return version
  throw new Error(`a mixture of versions ${found.join(', ')} at ${pod}`)
}
