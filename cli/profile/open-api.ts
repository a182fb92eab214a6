/**
 * Routes from an OpenAPI document (Swagger 2 or OpenAPI 3, YAML or JSON): one per path and method.
 *
 * Linkerd reads two extensions at an operation: `x-linkerd-retryable: true` and `x-linkerd-timeout: 300ms`. Where it
 * drops something without a word, the same is dropped here, and a note says so.
 */

import { type Document, isMap, isScalar, LineCounter, type Pair, parseDocument, type YAMLMap } from 'yaml'
import { parseGoDurationMs } from '../../api/duration.ts'
import { type Generated, type GeneratedRoute, quoteRegex, SourceError } from './profile.ts'

/** In the order in which a path's routes are printed. TRACE is no route: no mesh policy applies to it. */
const METHODS = ['delete', 'get', 'head', 'options', 'patch', 'post', 'put'] as const

/** @throws SourceError with the line of what cannot be used */
export function routesOfOpenApi(text: string, file: string): Generated {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const source = new OpenApiSource(file, document, lines)
  return { routes: source.routes(), notes: source.notes }
}

class OpenApiSource {
  readonly notes: string[] = []
  readonly #file: string
  readonly #document: Document
  readonly #lines: LineCounter

  constructor(file: string, document: Document, lines: LineCounter) {
    this.#file = file
    this.#document = document
    this.#lines = lines
  }

  routes(): GeneratedRoute[] {
    const [error] = this.#document.errors
    if (error !== undefined) throw this.#problem(error.pos[0], `this is neither YAML nor JSON: ${error.message}`)
    const root = this.#document.contents
    if (!isMap(root)) throw this.#problem(0, 'this is not an OpenAPI document: expected a map with "paths"')
    const paths = resolved(root.get('paths', true), this.#document)
    if (!isMap(paths)) throw this.#problem(offsetOf(root), 'the OpenAPI document has no "paths"; add at least one path')

    const base = this.#basePath(root)
    return entries(paths)
      .filter(({ key, offset }) => {
        if (key.startsWith('/')) return true
        // Extensions (`x-…`) are expected here; anything else is a path that was meant to count.
        if (!key.startsWith('x-')) this.#note(offset, `the path "${key}" does not begin with / and is left out`)
        return false
      })
      .sort((a, b) => (a.key < b.key ? -1 : 1))
      .flatMap(({ key, value, offset }) => this.#routesOfPath(`${base}/${key.replace(/^\/+/, '')}`, value, offset))
  }

  /** Swagger 2 has one prefix for all paths; OpenAPI 3's `servers` name hosts and are not read. */
  #basePath(root: YAMLMap): string {
    const base = root.get('basePath')
    return typeof base === 'string' ? base.replace(/\/+$/, '') : ''
  }

  #routesOfPath(path: string, node: unknown, offset: number): GeneratedRoute[] {
    const item = resolved(node, this.#document)
    if (!isMap(item)) throw this.#problem(offset, `the path ${path} has no operations; expected get, post, …`)
    const operations = new Map(entries(item).map((entry) => [entry.key, entry]))
    for (const key of ['x-linkerd-retryable', 'x-linkerd-timeout']) {
      const extension = operations.get(key)
      if (extension === undefined) continue
      this.#note(extension.offset, `${key} beside the operations of ${path} is not read; move it into an operation`)
    }
    return METHODS.flatMap((method) => {
      const operation = operations.get(method)
      return operation === undefined ? [] : [this.#route(method.toUpperCase(), path, operation)]
    })
  }

  #route(method: string, path: string, { value, offset }: Entry): GeneratedRoute {
    const name = `${method} ${path}`
    const operation = resolved(value, this.#document)
    if (!isMap(operation)) throw this.#problem(offset, `${name}: expected an operation, a map with "responses"`)
    const timeout = this.#timeout(operation, name)
    return {
      name,
      method,
      pathRegex: pathRegex(path),
      isRetryable: this.#isRetryable(operation, name),
      ...(timeout !== undefined ? { timeout } : {}),
      statusCodes: this.#statusCodes(operation, name),
    }
  }

  #isRetryable(operation: YAMLMap, name: string): boolean {
    const found = entries(operation).find(({ key }) => key === 'x-linkerd-retryable')
    if (found === undefined) return false
    const value = isScalar(found.value) ? found.value.value : undefined
    if (typeof value === 'boolean') return value
    this.#note(found.offset, `${name}: x-linkerd-retryable is not read; write true or false without quotes`)
    return false
  }

  #timeout(operation: YAMLMap, name: string): string | undefined {
    const found = entries(operation).find(({ key }) => key === 'x-linkerd-timeout')
    if (found === undefined) return undefined
    const value = isScalar(found.value) ? found.value.value : undefined
    if (typeof value === 'string' && parseGoDurationMs(value) !== undefined) return value
    // Copied into the profile it would be refused by the cluster, or worse, mean no timeout.
    throw this.#problem(
      found.offset,
      `${name}: x-linkerd-timeout ${JSON.stringify(value)} is not a duration; write one such as 300ms or 10s`,
    )
  }

  #statusCodes(operation: YAMLMap, name: string): number[] {
    const responses = resolved(operation.get('responses', true), this.#document)
    if (!isMap(responses)) return []
    const codes: number[] = []
    for (const { key, offset } of entries(responses)) {
      const code = /^\d+$/.test(key) ? Number(key) : undefined
      // `default` and ranges such as 5XX have no place in a list of single codes.
      if (code === undefined) continue
      if (code < 100 || code > 599) {
        throw this.#problem(offset, `${name}: ${key} is not an HTTP status; write a number from 100 to 599`)
      }
      codes.push(code)
    }
    return codes.sort((a, b) => a - b)
  }

  #note(offset: number, sentence: string): void {
    this.notes.push(`${this.#file}:${this.#lineOf(offset)}: ${sentence}`)
  }

  #problem(offset: number, sentence: string): SourceError {
    return new SourceError(this.#file, this.#lineOf(offset), sentence)
  }

  #lineOf(offset: number): number {
    return Math.max(1, this.#lines.linePos(offset).line)
  }
}

/** The path as a regular expression: everything quoted, each `{placeholder}` one segment or a part of one. */
export function pathRegex(path: string): string {
  return path
    .split(/\{[^}]*\}/)
    .map(quoteRegex)
    .join('[^/]*')
}

interface Entry {
  readonly key: string
  readonly value: unknown
  readonly offset: number
}

function entries(map: YAMLMap): Entry[] {
  return map.items.map((pair: Pair) => ({
    // Status codes are numbers in YAML and strings in JSON; paths are strings in both.
    key: String(isScalar(pair.key) ? pair.key.value : pair.key),
    value: pair.value,
    offset: offsetOf(pair.key),
  }))
}

function offsetOf(node: unknown): number {
  return (node as { range?: readonly number[] } | undefined)?.range?.[0] ?? 0
}

/** What a YAML alias stands for; anything else as it is. */
function resolved(node: unknown, document: Document): unknown {
  const alias = node as { source?: string; resolve?: (document: Document) => unknown } | undefined
  return typeof alias?.resolve === 'function' ? alias.resolve(document) : node
}
