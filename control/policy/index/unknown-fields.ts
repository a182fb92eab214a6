/** Fields of a policy object that this version does not know. */
import { MAX_UNKNOWN_FIELDS } from '../../../api/resources/manifests.ts'
import type { ObjectMeta } from '../../../api/resources/meta.ts'

interface Noted {
  readonly metadata: Pick<ObjectMeta, 'unknownFields'>
}

/**
 * Those at `path` or below it, such as `spec` or `spec.rules[0].matches`. An object with more of them than are remembered may
 * have one anywhere, so the last one stands for it.
 */
export function unknownBelow({ metadata }: Noted, path: string): readonly string[] {
  const fields = metadata.unknownFields ?? []
  const below = fields.filter((field) => field === path || field.startsWith(`${path}.`) || field.startsWith(`${path}[`))
  return below.length === 0 && fields.length >= MAX_UNKNOWN_FIELDS ? fields.slice(-1) : below
}
