/**
 * The demo's story: watch the shop fail for some seconds, give its services their profiles, watch it again, and say in
 * one line what changed for the customers.
 */
import { type EdgeRow, successRateOf } from './metrics/report.ts'
import { formatShare } from './table.ts'
import type { Scene } from './watch.ts'

export interface DemoOptions {
  /** Manifests of the service profiles, and where each came from. */
  readonly profiles: readonly { readonly manifest: string; readonly source: string }[]
  /** The workload whose requests count: the customers. */
  readonly customers: string
}

/** Traffic begins, connections open, the first percentiles settle. */
const WARM_UP_MS = 2_000
/** Without `--for` this long is watched before and after. */
const PHASE_MS = 10_000
const MIN_PHASE_MS = 3_000
/** Proxies hear of the profiles; requests that were on their way end. */
const SETTLE_MS = 1_500
/** The last report must be done before the cluster ends. */
const MARGIN_MS = 500

export async function playDemo(scene: Scene, { profiles, customers }: DemoOptions): Promise<void> {
  const phaseMs = phaseLengthMs(scene.forMs)
  if (!(await scene.wait(WARM_UP_MS))) return
  scene.note(`without profiles: measuring for ${phaseMs / 1_000} s`)
  const before = await measure(scene, customers, phaseMs)
  if (before === undefined) return

  for (const { manifest, source } of profiles) {
    const { applied } = await scene.client.call<{ applied: string[] }>(
      'POST',
      '/apply',
      { file: source, namespace: 'default' },
      manifest,
    )
    scene.note(`applied ${applied.join(', ')}, generated from ${source}`)
  }
  if (!(await scene.wait(SETTLE_MS))) return
  const after = await measure(scene, customers, phaseMs)
  if (after === undefined) return

  scene.note(resultLine(before, after))
  scene.result({ profile: { before: { successRate: before }, after: { successRate: after } } })
}

/** Two equal phases that fit into `forMs`. */
export function phaseLengthMs(forMs: number | undefined): number {
  if (forMs === undefined) return PHASE_MS
  const available = (forMs - WARM_UP_MS - SETTLE_MS - MARGIN_MS) / 2
  return Math.max(MIN_PHASE_MS, Math.min(PHASE_MS, Math.floor(available / 500) * 500))
}

export function resultLine(before: number, after: number): string {
  return `customers' requests that succeed: ${formatShare(before)} without service profiles, ${formatShare(after)} with them`
}

/** Success rate of the customers' requests during `ms`; `undefined` when the cluster ended or nothing was asked. */
async function measure(scene: Scene, customers: string, ms: number): Promise<number | undefined> {
  const sinceMs = Date.now()
  if (!(await scene.wait(ms))) return undefined
  const { edges } = await scene.report(sinceMs)
  return successRateOf(edges.filter((edge: EdgeRow) => edge.from === customers))
}
