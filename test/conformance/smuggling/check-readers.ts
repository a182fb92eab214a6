/** Holds what one connection of the recording origin got against every reader there is. */
import type { Test } from 'tap'
import { READERS, targetsSeenBy } from './lenient-readers.ts'
import type { Recording } from './recording-origin.ts'

export function checkReaders(t: Test, { bytes, requests, problems }: Recording): void {
  t.same(problems, [], 'every byte can be understood')
  if (problems.length > 0) return
  const targets = requests.map(({ target }) => target)
  for (const reader of READERS) {
    const seen = targetsSeenBy(reader, bytes).slice(0, targets.length + 1)
    if (seen.join() !== targets.join()) t.same(seen, targets, `a reader that ${reader.name} sees the same requests`)
  }
}
