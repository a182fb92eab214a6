/** Which of several objects wins: the oldest, then the first by namespace and name. */
import type { ObjectMeta } from '../../../api/resources/meta.ts'

interface Aged {
  readonly metadata: Pick<ObjectMeta, 'creationTimestamp' | 'namespace' | 'name'>
}

/** Ages are compared as times: an API server writes whole seconds, other sources also fractions. */
export function olderFirst(a: Aged, b: Aged): number {
  return (
    createdAtMs(a) - createdAtMs(b) ||
    compareText(a.metadata.namespace, b.metadata.namespace) ||
    compareText(a.metadata.name, b.metadata.name)
  )
}

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** What does not say its age is the youngest: it must not take the place of what is already in force. */
function createdAtMs({ metadata }: Aged): number {
  const ms = Date.parse(metadata.creationTimestamp)
  return Number.isNaN(ms) ? Number.MAX_SAFE_INTEGER : ms
}
