/**
 * How Node has to be started for a sidecar: every launcher (image, local cluster, benchmark) uses this one list.
 *
 * V8's defaults let a burst take what the machine has. These bounds cost nothing in CPU per request (bench: `h2-4x32`,
 * `h1-64`; halving them once more costs a tenth), and what a burst did take `io/idle-memory.ts` gives back.
 */
export const NODE_FLAGS: readonly string[] = [
  // The young generation.
  '--max-semi-space-size=8',
  // What was promoted is collected while there is little of it.
  '--initial-old-space-size=32',
  // One helper thread: a sidecar has a core, not a machine.
  '--v8-pool-size=1',
  // After a burst the proxy collects what is left.
  '--expose-gc',
  '--disable-warning=ExperimentalWarning',
]

/** Where a proxy writes the code cache of its bundle when it ends: set when a bundle is made, never in a pod. */
export const CODE_CACHE_VARIABLE = 'WEFT_CODE_CACHE'
