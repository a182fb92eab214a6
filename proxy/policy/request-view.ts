/** A head as route matches and redirects look at it; parts are decoded when they are asked for. */

import type { Head } from '../wire/head.ts'
import { token } from '../wire/tokens.ts'
import type { RequestUrl } from './filters.ts'
import type { RequestView } from './route-match.ts'

const METHOD = token(':method')
const SCHEME = token(':scheme')
const AUTHORITY = token(':authority')
const PATH = token(':path')
const HOST = token('host')
const QUESTION_MARK = 0x3f

export class HeadView implements RequestView {
  readonly #head: Head
  #target: string | undefined = undefined
  #path: string | undefined = undefined
  #name = ''
  #values: readonly string[] = []

  constructor(head: Head) {
    this.#head = head
  }

  get method(): string {
    return this.#head.get(METHOD) ?? ''
  }

  get path(): string {
    if (this.#path === undefined) {
      const index = this.#head.find(PATH)
      // A string of its own: what begins with it is compared again and again.
      this.#path = index === -1 ? '' : this.#head.valueUntil(index, QUESTION_MARK)
    }
    return this.#path
  }

  get query(): string {
    const target = this.#pathAndQuery()
    const at = target.indexOf('?')
    return at === -1 ? '' : target.slice(at + 1)
  }

  get authority(): string | undefined {
    return this.#head.get(AUTHORITY) ?? this.#head.get(HOST)
  }

  headerValues(name: string): readonly string[] {
    // Rules that differ in the value of one header ask for it again and again.
    if (name !== this.#name) {
      this.#name = name
      this.#values = this.#head.valuesOf(name)
    }
    return this.#values
  }

  #pathAndQuery(): string {
    this.#target ??= this.#head.get(PATH) ?? ''
    return this.#target
  }
}

export function requestUrl(head: Head): RequestUrl {
  const view = new HeadView(head)
  return { scheme: head.get(SCHEME) ?? 'http', authority: view.authority, path: view.path, query: view.query }
}
