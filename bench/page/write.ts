/**
 * Results and page on disk. The results of the last run that was written are kept beside the hand-written part, so
 * that the page can be made anew when only that part changes.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BenchResults } from '../results.ts'
import { formatPage } from './page.ts'

export const RESULTS_FILE = join(import.meta.dirname, 'results.json')
export const PAGE_FILE = join(import.meta.dirname, '..', '..', 'docs', 'performance.md')
const OPTIMISATIONS_FILE = join(import.meta.dirname, 'optimisations.md')

export function writeResults(file: string, results: BenchResults): void {
  writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`)
}

export function writePage(results: BenchResults): void {
  writeFileSync(PAGE_FILE, formatPage(results, readFileSync(OPTIMISATIONS_FILE, 'utf8')))
}
