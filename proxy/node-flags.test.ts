import { execFileSync } from 'node:child_process'
import { test } from 'tap'
import { NODE_FLAGS } from './node-flags.ts'

/** How many of Node's own modules, loaded for a proxy, came from the code in its binary, and how many were compiled. */
const COUNT = `
for (const name of ['net', 'tls', 'crypto']) require(name)
const { internalBinding } = require('internal/test/binding')
const { compiledWithCache, compiledWithoutCache } = internalBinding('builtins').getCacheUsage()
process.stdout.write(JSON.stringify({ taken: compiledWithCache.size, compiled: compiledWithoutCache.size }))
`

function count(flags: readonly string[]): { taken: number; compiled: number } {
  const options = [...flags, '--expose-internals', '--no-warnings', '-e', COUNT]
  return JSON.parse(execFileSync(process.execPath, options, { encoding: 'utf8', env: {} }))
}

test("Node's own modules need not be compiled when a sidecar starts", async (t) => {
  const { taken, compiled } = count(NODE_FLAGS)
  t.ok(taken > 20, `${taken} modules`)
  t.equal(compiled, 0)
  t.ok(count([...NODE_FLAGS, '--expose-gc']).compiled > 20, 'with another flag they would have to be')
})
