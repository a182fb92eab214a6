/**
 * Feeds a store from files and directories of YAML, while they change.
 *
 * A change reads everything again and is taken in whole or not at all: with any problem anywhere the store keeps the
 * last good state, so half an edited directory never becomes half a cluster. Only what came from the files is ever
 * deleted here; other writers of the same store keep their objects.
 */
import { type FSWatcher, readdirSync, readFileSync, statSync, watch } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Path } from '../../api/resources/check.ts'
import { kindOf, nameOf, type Resource } from '../../api/resources/kinds.ts'
import {
  formatProblem,
  type Location,
  type ParsedManifests,
  type ParseOptions,
  type Problem,
  parseManifests,
} from '../../api/resources/manifests.ts'
import type { ObjectKey, WritableResourceStore } from './store.ts'

export interface ManifestSet {
  readonly objects: readonly Resource[]
  readonly problems: readonly Problem[]
  readonly notes: readonly Problem[]
  /** Where an object, or the deepest written part of one of its fields, stands. */
  locate(object: Resource, path: Path): Location
}

/** Reads all manifests under `paths` (files, or directories with *.yaml, *.yml and *.json; not recursive). */
export function readManifests(paths: readonly string[], options: ParseOptions = {}): ManifestSet {
  const objects: Resource[] = []
  const problems: Problem[] = []
  const notes: Problem[] = []
  const parsedFrom = new Map<Resource, ParsedManifests>()
  const firstAt = new Map<string, Location>()
  for (const file of manifestFiles(paths, problems)) {
    let text: string
    try {
      text = readFileSync(file, 'utf8')
    } catch (cause) {
      problems.push(fileProblem(file, `cannot be read: ${reason(cause)}`))
      continue
    }
    const parsed = parseManifests(text, file, options)
    problems.push(...parsed.problems)
    notes.push(...parsed.notes)
    for (const object of parsed.objects) {
      const location = parsed.locate(object, [])
      const earlier = firstAt.get(nameOf(object))
      if (earlier !== undefined) {
        const message = `is defined in ${earlier.file}:${earlier.line} already; rename or remove one of the two`
        problems.push({ ...location, object: nameOf(object), field: 'metadata.name', message })
        continue
      }
      firstAt.set(nameOf(object), location)
      objects.push(object)
      parsedFrom.set(object, parsed)
    }
  }
  const locate = (object: Resource, path: Path) => parsedFrom.get(object)?.locate(object, path) ?? { file: '', line: 1 }
  return { objects, problems, notes, locate }
}

export interface DirectorySourceOptions {
  readonly paths: readonly string[]
  readonly store: WritableResourceStore
  /** More rules of the owner (for example: what a one-machine cluster cannot run), asked before anything is applied. */
  readonly check?: (manifests: ManifestSet) => readonly Problem[]
  /** Says what happened to a change, one sentence per problem. The last good state stays in the store. */
  readonly onProblems: (sentences: readonly string[]) => void
  readonly onNotes?: (notes: readonly Problem[]) => void
  /** Called after a change was taken in; `changes` counts objects created, replaced or deleted. */
  readonly onApplied?: (changes: number) => void
  /** How long the files must be quiet before a change is read; for tests. */
  readonly settleMs?: number
}

/** Editors write a file in several steps; a change is read once they have been quiet for this long. */
const SETTLE_MS = 100
/** Some file systems (network, some containers) never tell of changes, so the files are looked at this often as well. */
const POLL_MS = 2_000

export class DirectorySource {
  readonly #options: DirectorySourceOptions
  #applied = new Map<string, Resource>()
  #watchers: FSWatcher[] = []
  #settle: NodeJS.Timeout | undefined
  #poll: NodeJS.Timeout | undefined
  #seen = ''
  #lastReport = ''

  constructor(options: DirectorySourceOptions) {
    this.#options = options
  }

  /** Reads everything now. @returns the problems; with any, nothing was applied */
  load(): readonly Problem[] {
    this.#seen = fingerprint(this.#options.paths)
    const manifests = readManifests(this.#options.paths)
    const problems = [
      ...manifests.problems,
      ...(manifests.problems.length === 0 ? (this.#options.check?.(manifests) ?? []) : []),
    ]
    if (problems.length > 0) {
      const sentences = problems.map(formatProblem)
      // Polling sees a broken file again and again; it is told once.
      if (sentences.join() !== this.#lastReport) this.#options.onProblems(sentences)
      this.#lastReport = sentences.join()
      return problems
    }
    this.#lastReport = ''
    this.#options.onNotes?.(manifests.notes)
    this.#apply(manifests.objects)
    return []
  }

  /** Follows changes until `close`. */
  watch(): void {
    const { paths, settleMs = SETTLE_MS } = this.#options
    const changed = () => {
      clearTimeout(this.#settle)
      this.#settle = setTimeout(() => this.load(), settleMs)
    }
    for (const path of paths) {
      try {
        const watcher = watch(path, changed)
        // An editor that replaces the file ends the watch on the old one; polling finds the new one.
        watcher.on('error', () => watcher.close())
        this.#watchers.push(watcher)
      } catch {
        // Not watchable (gone meanwhile, or out of inotify watches): polling below still follows it.
      }
    }
    this.#poll = setInterval(() => {
      if (fingerprint(paths) !== this.#seen) this.load()
    }, POLL_MS)
    this.#poll.unref()
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.close()
    this.#watchers = []
    clearTimeout(this.#settle)
    clearInterval(this.#poll)
  }

  /** Only what differs from the files' last state is written: verbs such as `scale` on other objects survive. */
  #apply(objects: readonly Resource[]): void {
    const next = new Map(objects.map((object) => [nameOf(object), object]))
    const apply = objects.filter((object) => !isDeepStrictEqual(object, this.#applied.get(nameOf(object))))
    const gone = [...this.#applied].filter(([name]) => !next.has(name)).map(([, object]) => keyOf(object))
    this.#applied = next
    if (apply.length + gone.length > 0) this.#options.store.commit({ apply, delete: gone })
    this.#options.onApplied?.(apply.length + gone.length)
  }
}

export function keyOf(object: Resource): ObjectKey {
  return { kind: kindOf(object)!, namespace: object.metadata.namespace, name: object.metadata.name }
}

function manifestFiles(paths: readonly string[], problems: Problem[]): string[] {
  const files: string[] = []
  for (const path of paths) {
    try {
      if (!statSync(path).isDirectory()) {
        files.push(path)
        continue
      }
      const inside = readdirSync(path)
        .filter((name) => /^[^.].*\.(ya?ml|json)$/.test(name))
        .sort()
      if (inside.length === 0)
        problems.push(fileProblem(path, 'holds no *.yaml, *.yml or *.json file; name a directory with manifests'))
      files.push(...inside.map((name) => join(path, name)))
    } catch (cause) {
      problems.push(fileProblem(path, `cannot be read: ${reason(cause)}`))
    }
  }
  return [...new Set(files)]
}

function fileProblem(file: string, message: string): Problem {
  return { file, line: 1, object: '', field: '', message }
}

function reason(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException
  if (code === 'ENOENT') return 'there is no such file; check the path'
  if (code === 'EACCES') return 'permission denied; check the rights of the file'
  return message
}

/** Names, sizes and times of all manifest files: cheap to take, and different after any edit. */
function fingerprint(paths: readonly string[]): string {
  return manifestFiles(paths, [])
    .map((file) => {
      try {
        const { mtimeMs, size, ino } = statSync(file)
        return `${file}:${mtimeMs}:${size}:${ino}`
      } catch {
        return `${file}:gone`
      }
    })
    .join('\n')
}
