/** `npm run generate`, its second half: the `…_tables.ts` from the descriptors that its first half wrote. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeTables } from './describe.ts'

for (const [name, text] of describeTables()) writeFileSync(join(import.meta.dirname, '..', 'gen', name), text)
