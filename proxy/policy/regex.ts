/** Where callers of the policy's patterns find them; the translator itself is shared with the checks of manifests. */
export { compileAnchoredPattern, type RoutePattern } from '../../api/regex.ts'
