/** `npm run build`: the programs of an installed package, each as one file, in `dist/`. */

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { bundle } from './local/bundle.ts'

const directory = join(import.meta.dirname, 'dist')
rmSync(directory, { recursive: true, force: true })
mkdirSync(directory)
await bundle(import.meta.dirname, directory)
process.stdout.write(`${directory} is built\n`)
