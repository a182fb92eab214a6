/** Fields of a policy object that this version does not know. */
import type { ObjectMeta } from '../../../api/resources/meta.ts'

interface Noted {
  readonly metadata: Pick<ObjectMeta, 'unknownFields'>
}

/** Those at `path` or below it, such as `spec` or `spec.rules[0].matches`. */
export function unknownBelow({ metadata }: Noted, path: string): readonly string[] {
  return (metadata.unknownFields ?? []).filter(
    (field) => field === path || field.startsWith(`${path}.`) || field.startsWith(`${path}[`),
  )
}
