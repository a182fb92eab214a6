import { test } from 'tap'
import { collectGarbage } from './collect-garbage.ts'

test('collectGarbage', async (t) => {
  for (const isThorough of [true, false]) {
    const gone = new WeakRef({ of: 'a burst' })
    const kept = { of: 'a connection' }
    const stays = new WeakRef(kept)
    // What a WeakRef was made of lives until the end of the turn.
    await new Promise((resolve) => setImmediate(resolve))
    await collectGarbage(isThorough)
    t.equal(gone.deref(), undefined)
    t.equal(stays.deref(), kept)
  }
  t.equal(globalThis.gc, undefined, 'nobody else gets it')
})
