/** Chooses a backend for one attempt: a retry draws again. */
import type { Distribution, RouteBackend } from './outbound-policy.ts'

/**
 * `undefined` when no backend is ready (or there is none at all).
 *
 * Weights are followed among ready backends only, so traffic moves over when one has no ready endpoint left.
 */
export function pickBackend<F>(
  distribution: Distribution<F>,
  random: () => number,
  isReady: (backend: RouteBackend<F>) => boolean,
): RouteBackend<F> | undefined {
  switch (distribution.kind) {
    case 'empty':
      return undefined
    case 'firstAvailable': {
      const { backends } = distribution
      for (let at = 0; at < backends.length; at++) if (isReady(backends[at]!)) return backends[at]
      return undefined
    }
    case 'randomAvailable': {
      const { backends, totalWeight } = distribution
      const drawn = draw(backends, random() * totalWeight)
      if (isReady(drawn)) return drawn
      return pickReady(backends, random, isReady)
    }
  }
}

/** The backend at `point` of the weights laid end to end. */
function draw<F>(backends: readonly RouteBackend<F>[], point: number): RouteBackend<F> {
  let last = backends[0]!
  for (let at = 0; at < backends.length; at++) {
    const backend = backends[at]!
    if (backend.weight === 0) continue
    if (point < backend.weight) return backend
    point -= backend.weight
    last = backend
  }
  return last
}

function pickReady<F>(
  backends: readonly RouteBackend<F>[],
  random: () => number,
  isReady: (backend: RouteBackend<F>) => boolean,
): RouteBackend<F> | undefined {
  const ready = backends.filter((backend) => backend.weight > 0 && isReady(backend))
  if (ready.length === 0) return undefined
  let totalWeight = 0
  for (const { weight } of ready) totalWeight += weight
  return draw(ready, random() * totalWeight)
}

/**
 * The share of attempts that each backend gets from `pickBackend`, and from every other draw by weight among what is ready;
 * all zero when there is nothing to draw.
 */
export function sharesOf(
  kind: 'firstAvailable' | 'randomAvailable',
  backends: readonly { readonly weight: number; readonly isReady: boolean }[],
): readonly number[] {
  if (kind === 'firstAvailable') {
    const first = backends.findIndex(({ isReady }) => isReady)
    return backends.map((_, at) => (at === first ? 1 : 0))
  }
  let total = 0
  for (const { weight, isReady } of backends) if (isReady) total += weight
  return backends.map(({ weight, isReady }) => (isReady && total > 0 ? weight / total : 0))
}
