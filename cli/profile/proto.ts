/**
 * Routes from a .proto file: one per rpc of every service in it. Imports are not followed, types not looked at.
 *
 * An rpc is retryable when its standard option `idempotency_level` says so. Weft adds two comment lines, since a
 * protobuf method has no place for a timeout and not every schema may be given options:
 *
 *     // x-linkerd-retryable: true
 *     // x-linkerd-timeout: 300ms
 *     rpc GetStock(GetStockRequest) returns (Stock);
 *
 * They count above an rpc, behind it on its line, or between its braces. The comment beats the option.
 */
import { parseGoDurationMs } from '../../api/duration.ts'
import { type Generated, type GeneratedRoute, quoteRegex, SourceError } from './profile.ts'
import { type CommentLine, type Token, tokenize } from './proto-tokens.ts'

/** @throws SourceError with the line of what is not protobuf */
export function routesOfProto(text: string, file: string): Generated {
  const { tokens, comments } = tokenize(text, file)
  return { routes: new ProtoParser(file, tokens, comments).routes(), notes: [] }
}

/** Values of `idempotency_level` under which an rpc may be sent twice. */
const RETRYABLE_LEVELS: ReadonlySet<string> = new Set(['IDEMPOTENT', 'NO_SIDE_EFFECTS'])

const NAME = /^[A-Za-z_][\w.]*$/

class ProtoParser {
  readonly #file: string
  readonly #tokens: readonly Token[]
  readonly #comments: readonly CommentLine[]
  #at = 0

  constructor(file: string, tokens: readonly Token[], comments: readonly CommentLine[]) {
    this.#file = file
    this.#tokens = tokens
    this.#comments = comments
  }

  routes(): GeneratedRoute[] {
    const routes: GeneratedRoute[] = []
    let packageName = ''
    let services = 0
    while (this.#at < this.#tokens.length) {
      const { text } = this.#next()
      if (text === 'package') {
        packageName = this.#name('a package name')
        this.#expect(';')
      } else if (text === 'service') {
        services++
        const service = this.#name('a service name')
        routes.push(...this.#service(packageName === '' ? service : `${packageName}.${service}`))
      } else {
        this.#skipStatement(text)
      }
    }
    if (services === 0)
      throw new SourceError(this.#file, 1, 'no service is defined here; give the .proto that defines it')
    return routes
  }

  #service(fullName: string): GeneratedRoute[] {
    const routes: GeneratedRoute[] = []
    this.#expect('{')
    for (;;) {
      const { text } = this.#next()
      if (text === '}') return routes
      if (text === 'rpc') routes.push(this.#rpc(fullName))
      else if (text !== ';') this.#skipStatement(text)
    }
  }

  #rpc(service: string): GeneratedRoute {
    const previousEnd = this.#tokens[this.#at - 2]!.line
    const keyword = this.#tokens[this.#at - 1]!.line
    const name = this.#name('an rpc name')
    this.#messageType()
    this.#expect('returns')
    this.#messageType()
    const level = this.#rpcOptions(name)
    const end = this.#tokens[this.#at - 1]!.line
    // A comment on the line where the statement before ended belongs to that one, unless this rpc stands there too.
    const from = previousEnd === keyword ? keyword : previousEnd + 1
    const said = this.#commentsOf(name, from, end)
    return {
      name,
      method: 'POST',
      pathRegex: quoteRegex(`/${service}/${name}`),
      isRetryable: said.isRetryable ?? (level !== undefined && RETRYABLE_LEVELS.has(level)),
      ...(said.timeout !== undefined ? { timeout: said.timeout } : {}),
      statusCodes: [],
    }
  }

  /** `(.package.Message)` or `(stream Message)`. */
  #messageType(): void {
    this.#expect('(')
    const first = this.#name('a message type')
    if (first === 'stream' && this.#peek() !== ')') this.#name('a message type')
    this.#expect(')')
  }

  /** Everything behind the rpc's types; gives the value of `idempotency_level`. */
  #rpcOptions(rpc: string): string | undefined {
    const { text, line } = this.#next()
    if (text === ';') return undefined
    if (text !== '{') throw new SourceError(this.#file, line, `rpc ${rpc}: expected ; or { before "${text}"`)
    let level: string | undefined
    for (;;) {
      const { text: word } = this.#next()
      if (word === '}') return level
      if (word === 'option') level = this.#option() ?? level
      else if (word !== ';') this.#skipStatement(word)
    }
  }

  /** One `option name = value;` behind its keyword; gives the value when it is `idempotency_level`. */
  #option(): string | undefined {
    const inParentheses = this.#peek() === '('
    if (inParentheses) this.#next()
    const { text: name } = this.#next()
    if (inParentheses) this.#expect(')')
    if (name !== 'idempotency_level' || this.#peek() !== '=') {
      this.#skipStatement(name)
      return undefined
    }
    this.#expect('=')
    const value = this.#name('an idempotency level')
    this.#expect(';')
    return value
  }

  #commentsOf(rpc: string, from: number, to: number): { isRetryable?: boolean; timeout?: string } {
    const said: { isRetryable?: boolean; timeout?: string } = {}
    for (const { text, line } of this.#comments) {
      if (line < from || line > to) continue
      const [, key, value] = /^x-linkerd-(retryable|timeout)\s*:\s*(.*)$/.exec(text) ?? []
      if (key === undefined || value === undefined) continue
      if (key === 'retryable') {
        if (value !== 'true' && value !== 'false') {
          throw new SourceError(
            this.#file,
            line,
            `rpc ${rpc}: x-linkerd-retryable "${value}" is neither true nor false`,
          )
        }
        said.isRetryable = value === 'true'
      } else {
        if (parseGoDurationMs(value) === undefined) {
          throw new SourceError(
            this.#file,
            line,
            `rpc ${rpc}: x-linkerd-timeout "${value}" is not a duration; write one such as 300ms or 10s`,
          )
        }
        said.timeout = value
      }
    }
    return said
  }

  /** Skips to the end of a statement whose first token was read: its `;`, or the `}` that closes its braces. */
  #skipStatement(first: string): void {
    let depth = first === '{' ? 1 : 0
    if (first === ';') return
    if (first === '}') throw new SourceError(this.#file, this.#line(), 'a } closes nothing')
    for (;;) {
      const { text, kind } = this.#next()
      if (kind !== 'symbol') continue
      if (text === '{') depth++
      if (text === '}' && --depth === 0) {
        // `option x = { … };` goes on to its semicolon, `message M { … }` has none.
        if (this.#peek() === ';') this.#next()
        return
      }
      if (text === ';' && depth === 0) return
    }
  }

  #name(what: string): string {
    const { text, line, kind } = this.#next()
    if (kind === 'word' && (NAME.test(text) || (what === 'a message type' && NAME.test(text.replace(/^\./, '')))))
      return text
    throw new SourceError(this.#file, line, `expected ${what} before "${text}"`)
  }

  #expect(text: string): void {
    const { text: found, line } = this.#next()
    if (found !== text) throw new SourceError(this.#file, line, `expected "${text}" before "${found}"`)
  }

  #peek(): string | undefined {
    return this.#tokens[this.#at]?.text
  }

  #next(): Token {
    const token = this.#tokens[this.#at]
    if (token === undefined)
      throw new SourceError(this.#file, this.#line(), 'the file ends in the middle of a statement')
    this.#at++
    return token
  }

  #line(): number {
    return this.#tokens[Math.min(this.#at, this.#tokens.length) - 1]?.line ?? 1
  }
}
