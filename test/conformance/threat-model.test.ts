import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { REFUSALS } from '../../proxy/wire/refusal.ts'

const ROOT = join(import.meta.dirname, '../..')

test('docs/threat-model.md tells every reason, and tests that exist', async (t) => {
  const text = readFileSync(join(ROOT, 'docs/threat-model.md'), 'utf8')
  for (const reason of REFUSALS) t.match(text, `\`${reason}\``, reason)
  const tests = new Set([...text.matchAll(/`([\w/-]+\.test\.ts)`/g)].map(([, file]) => file!))
  t.ok(tests.size > 10)
  for (const file of tests) t.ok(existsSync(join(ROOT, file)), file)
})
