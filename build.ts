/** `npm run build`: the programs of an installed package, each as one file, in `dist/`. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { bundle } from './local/programs.ts'

const directory = join(import.meta.dirname, 'dist')
rmSync(directory, { recursive: true, force: true })
await bundle(directory)
process.stdout.write(`${directory} is built\n`)
