/**
 * How Node has to be started for a sidecar: every launcher (image, local cluster, benchmark) uses this one list.
 *
 * A sidecar is judged by its private memory. With V8's defaults a burst leaves 75 MB behind, with these 46 MB, at the
 * same CPU per request (bench: `h2-4x32`, `h1-64` and `h2-bulk` in one run).
 */
export const NODE_FLAGS: readonly string[] = [
  // The young generation fits the processor's cache.
  '--max-semi-space-size=4',
  // What was promoted by a burst is collected while there is little of it, not when tens of megabytes have gathered.
  '--initial-old-space-size=16',
  '--heap-growing-percent=50',
  // One helper thread: a sidecar has a core, not a machine.
  '--v8-pool-size=1',
  // After a burst the proxy collects what is left (io/idle-memory.ts).
  '--expose-gc',
  '--disable-warning=ExperimentalWarning',
]
