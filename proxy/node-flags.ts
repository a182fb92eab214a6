/**
 * How Node has to be started for a sidecar: every launcher (image, local cluster, benchmark) uses this one list.
 *
 * A sidecar is judged by its private memory, so V8 gets a small young generation: it lives in the processor's cache, and a
 * burst does not leave tens of megabytes behind.
 */
export const NODE_FLAGS: readonly string[] = ['--max-semi-space-size=4']
