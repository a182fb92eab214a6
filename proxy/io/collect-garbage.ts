/**
 * V8's collector for whoever knows when nobody waits. `--expose-gc` on the command line would give it too, but make V8
 * refuse the compiled code of Node's own modules at start (`node-flags.ts`); so the flag is set for the one context that
 * it is taken from, and taken back for the modules that are loaded later.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Resolves when everything is looked through. `isThorough`: again and again, until nothing more is found. */
export async function collectGarbage(isThorough: boolean): Promise<void> {
  setFlagsFromString('--expose-gc')
  // The context is garbage of the next collection: half a megabyte if it were kept.
  const collect = runInNewContext('gc') as NonNullable<typeof globalThis.gc>
  setFlagsFromString('--no-expose-gc')
  await collect({ type: 'major', execution: 'async', flavor: isThorough ? 'last-resort' : 'regular' })
}
