/** `npm run bench:page [-- RESULTS.json]`: makes docs/performance.md anew from results, the last written ones by default. */
import { readFileSync } from 'node:fs'
import type { BenchResults } from '../results.ts'
import { PAGE_FILE, RESULTS_FILE, writePage } from './write.ts'

const file = process.argv[2] ?? RESULTS_FILE
try {
  writePage(JSON.parse(readFileSync(file, 'utf8')) as BenchResults)
  process.stdout.write(`${PAGE_FILE} is made from ${file}\n`)
} catch (error) {
  process.stderr.write(`bench: ${file}: ${(error as Error).message}; npm run bench -- --json FILE makes such a file\n`)
  process.exitCode = 1
}
