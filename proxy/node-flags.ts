/**
 * How Node has to be started for a sidecar: every launcher (image, local cluster, benchmark) uses this one list.
 *
 * V8's defaults let a burst take what the machine has. These bounds cost nothing in CPU per request (bench: `h2-4x32`,
 * `h1-64`), and what a burst did take `io/idle-memory.ts` gives back.
 *
 * Only flags with which V8 still takes the code that Node's binary brings for Node's own modules: with `--expose-gc`,
 * `--initial-old-space-size` and most others it compiles them anew, 50 ms of a start (`node-flags.test.ts`).
 */
export const NODE_FLAGS: readonly string[] = [
  // The young generation: what it holds is resident three times over. With 8 the CPU of heads and small messages is the same.
  '--max-semi-space-size=4',
  // One helper thread: a sidecar has a core, not a machine.
  '--v8-pool-size=1',
  '--disable-warning=ExperimentalWarning',
]

/** Where a proxy writes the code cache of its bundle when it ends: set when a bundle is made, never in a pod. */
export const CODE_CACHE_VARIABLE = 'WEFT_CODE_CACHE'
