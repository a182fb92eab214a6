/** docs/conformance.md names the test of each requirement: every one of them must be there. */
import { readFile } from 'node:fs/promises'
import { test } from 'tap'

const ROOT = new URL('../../', import.meta.url)
/** `key: `name`, `name``, as the last column of a row has it. */
const REFERENCES = /([a-z][a-z0-9-]*): (`[^`]+`(?:, `[^`]+`)*)/g
const REASON = /\b(deviates|does not apply): \S/

const document = await readFile(new URL('docs/conformance.md', ROOT), 'utf8')
const rows = document
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  )
const files = new Map(rows.filter((row) => row.length === 2).map(([key, file]) => [key!, file!]))
files.delete('key')
const requirements = rows.filter(([section]) => /^\d/.test(section!))

test('every requirement of docs/conformance.md has a test or a reason', async (t) => {
  const sources = new Map<string, string>()
  for (const [key, file] of files) sources.set(key, await readFile(new URL(file, ROOT), 'utf8'))
  t.ok(requirements.length > 150, `${requirements.length} requirements`)
  const used = new Set<string>()
  for (const [section, requirement, holders, ...rest] of requirements) {
    const what = `§${section} ${requirement}`
    if (holders === undefined || rest.length > 0) t.fail(`${what}: not three columns`)
    const references = [...holders!.matchAll(REFERENCES)]
    if (references.length === 0 && !REASON.test(holders!)) t.fail(`${what}: neither a test nor a reason`)
    for (const [, key, names] of references) {
      used.add(key!)
      const source = sources.get(key!)
      if (source === undefined) {
        t.fail(`${what}: no file has the key ${key}`)
        continue
      }
      for (const [, name] of names!.matchAll(/`([^`]+)`/g)) {
        const isThere = [`'${name}'`, `\`${name}\``, `"${name}"`].some((quoted) => source.includes(quoted))
        if (!isThere) t.fail(`${what}: ${files.get(key!)} has no test or case "${name}"`)
      }
    }
  }
  t.same(
    [...files.keys()].filter((key) => !used.has(key)),
    [],
    'every file in the list is used',
  )
})
