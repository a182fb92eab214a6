/**
 * Regular expressions of routes: RE2-style sources, run by V8, in linear time.
 *
 * Policies are written for engines without backtracking (RE2, Rust's regex), so `(a+)+$` is harmless there; in plain
 * JavaScript the same source lets one long path block the proxy for minutes. Therefore:
 * - a source must compile for V8's linear engine, which proves that it can run there;
 * - it runs on the fast backtracking engine, and V8 moves it to the linear one after too many steps.
 * Syntax is translated (`(?i)`, POSIX classes, `\A`, `\z`, `\Q…\E` …). What has no exact translation is refused: the
 * proxy makes the route invalid rather than let it match something else.
 *
 * The checks of manifests compile with this module too, so they refuse exactly what the proxy could not run. Whoever
 * compiles a pattern, control plane and tools included, gets the V8 flags below.
 */
import { setFlagsFromString } from 'node:v8'

/** Longer sources are refused: compiled size grows with them. */
const MAX_SOURCE_LENGTH = 4096

export interface RoutePattern {
  readonly source: string
  /** Sticky: a match has to begin at `lastIndex`. */
  readonly regex: RegExp
}

export interface BadPattern {
  /** The whole sentence, naming the source. */
  readonly problem: string
  /** Why, for callers that name the source themselves. */
  readonly reason: string
}

export type PatternResult = RoutePattern | BadPattern

/** Compiles a source whose first match has to span the whole value (routes, headers, query parameters). */
export function compilePattern(source: string): PatternResult {
  const translated = translate(source)
  if (typeof translated !== 'string') return translated
  return compile(source, translated)
}

/** Compiles a path of a service profile: white space around it is ignored and it is anchored at both ends. */
export function compileAnchoredPattern(source: string): PatternResult {
  const translated = translate(source.trim())
  if (typeof translated !== 'string') return translated
  // By itself first: the group around it must not balance parentheses that it leaves open or closes too many of.
  const alone = compile(source, translated)
  return 'problem' in alone ? alone : compile(source, `(?:${translated})$`)
}

/** Whether the first match of `pattern` is the whole of `value`. */
export function matchesWhole({ regex }: RoutePattern, value: string): boolean {
  regex.lastIndex = 0
  return regex.test(value) && regex.lastIndex === value.length
}

let isLinear = false

/**
 * Process-wide, and only additions: a RegExp without flag `l` behaves as before, except that it cannot run away. With the
 * first pattern and not before: V8 takes code from a cache only while its flags are those of the cache.
 */
function useLinearEngine(): void {
  if (isLinear) return
  isLinear = true
  setFlagsFromString('--enable-experimental-regexp-engine')
  setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks')
}

function compile(source: string, translated: string): PatternResult {
  useLinearEngine()
  try {
    new RegExp(translated, 'l')
    return { source, regex: new RegExp(translated, 'y') }
  } catch (error) {
    const reason = (error as Error).message.replace(/^Invalid regular expression: .*: /s, '')
    return bad(source, reason)
  }
}

function bad(source: string, reason: string): BadPattern {
  return { problem: `regular expression "${source}": ${reason}`, reason }
}

const POSIX_CLASSES = new Map([
  ['alnum', '0-9A-Za-z'],
  ['alpha', 'A-Za-z'],
  ['ascii', '\\x00-\\x7f'],
  ['blank', '\\t '],
  ['cntrl', '\\x00-\\x1f\\x7f'],
  ['digit', '0-9'],
  ['graph', '!-~'],
  ['lower', 'a-z'],
  ['print', ' -~'],
  ['punct', '!-\\/:-@\\[-`{-~'],
  ['space', '\\t-\\r '],
  ['upper', 'A-Z'],
  ['word', '0-9A-Za-z_'],
  ['xdigit', '0-9A-Fa-f'],
])

/** Escapes that mean the same in both, and those with another spelling. */
const ESCAPES = new Map([
  ['d', '0-9'],
  ['w', '0-9A-Za-z_'],
  ['s', '\\t\\n\\f\\r '],
])
const SAME_ESCAPES = 'nrtfv'
const SYNTAX = '^$\\.*+?()[]{}|/'

class Refused extends Error {}

function translate(source: string): string | BadPattern {
  try {
    if (source.length > MAX_SOURCE_LENGTH) throw new Refused(`longer than ${MAX_SOURCE_LENGTH} characters`)
    const foreign = /[^\t\n\r -~]/.exec(source)
    if (foreign !== null) throw new Refused(`the character "${foreign[0]}" is not ASCII`)
    return new Translator(source).translate()
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    return bad(source.slice(0, 200), error.message)
  }
}

class Translator {
  readonly #source: string
  #at = 0
  #out = ''
  #ignoreCase = false
  #dotAll = false

  constructor(source: string) {
    this.#source = source
  }

  translate(): string {
    this.#leadingFlags()
    while (this.#at < this.#source.length) this.#item()
    return this.#out
  }

  /** `(?i)`, `(?s)`, `(?is)` at the very beginning hold for the whole pattern; elsewhere they are refused. */
  #leadingFlags(): void {
    const [whole, letters] = /^\(\?([a-zA-Z]+)\)/.exec(this.#source) ?? []
    if (letters === undefined) return
    for (const letter of letters) {
      if (letter === 'i') this.#ignoreCase = true
      else if (letter === 's') this.#dotAll = true
      // `u` is the default of Rust's engine, and without effect on ASCII sources.
      else if (letter !== 'u') throw new Refused(`the flag "${letter}" is not supported`)
    }
    this.#at = whole!.length
  }

  #item(): void {
    const source = this.#source
    const char = source[this.#at++]!
    switch (char) {
      case '\\':
        this.#escape()
        return
      case '[':
        this.#class()
        return
      case '(':
        this.#group()
        return
      case '.':
        this.#out += this.#dotAll ? '[^]' : '[^\\n]'
        return
      case '{': {
        const [repeat] = /^\d+(?:,\d*)?\}/.exec(source.slice(this.#at)) ?? []
        if (repeat === undefined) {
          this.#out += '\\{'
          return
        }
        this.#out += `{${repeat}`
        this.#at += repeat.length
        return
      }
      case '}':
      case ']':
        this.#out += `\\${char}`
        return
      default:
        this.#out += /[\^$*+?()|]/.test(char) ? char : this.#literal(char)
    }
  }

  #group(): void {
    const rest = this.#source.slice(this.#at)
    const [open] = /^\?(?::|P?<[A-Za-z_]\w*>)/.exec(rest) ?? []
    if (rest[0] === '?' && open === undefined) {
      throw new Refused(`"(${rest.slice(0, 4)}": flags inside, look-around and the like are not supported`)
    }
    // Names and captures are of no use here.
    this.#out += '(?:'
    this.#at += open?.length ?? 0
  }

  #escape(): void {
    const char = this.#source[this.#at++]
    if (char === undefined) throw new Refused('it ends in a backslash')
    const set = ESCAPES.get(char.toLowerCase())
    if (set !== undefined) this.#out += char === char.toLowerCase() ? `[${set}]` : `[^${set}]`
    else if (char === 'b' || char === 'B') this.#out += `\\${char}`
    else if (char === 'A') this.#out += '^'
    else if (char === 'z') this.#out += '$'
    else if (char === 'Q') this.#quoted()
    else this.#out += this.#escapedChar(char)
  }

  #quoted(): void {
    const end = this.#source.indexOf('\\E', this.#at)
    const text = this.#source.slice(this.#at, end === -1 ? undefined : end)
    for (const char of text) this.#out += this.#literal(char)
    this.#at = end === -1 ? this.#source.length : end + 2
  }

  /** The translation of one escaped character, outside or inside a class. */
  #escapedChar(char: string, inClass = false): string {
    if (SAME_ESCAPES.includes(char)) return `\\${char}`
    if (char === 'a') return '\\x07'
    if (char === 'x') {
      const [whole, short, long] =
        /^(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})/.exec(this.#source.slice(this.#at)) ?? []
      if (whole === undefined) throw new Refused('"\\x" needs two hexadecimal digits')
      const code = Number.parseInt(short ?? long!, 16)
      if (code > 0x7f) throw new Refused(`"\\x${whole}" is not ASCII`)
      this.#at += whole.length
      return this.#literal(String.fromCharCode(code), inClass)
    }
    if (/[0-9A-Za-z]/.test(char)) throw new Refused(`"\\${char}" is not supported`)
    return this.#literal(char, inClass)
  }

  /** One character that stands for itself. */
  #literal(char: string, inClass = false): string {
    if (/[A-Za-z]/.test(char)) {
      if (!this.#ignoreCase) return char
      const both = char.toLowerCase() + char.toUpperCase()
      return inClass ? both : `[${both}]`
    }
    if (SYNTAX.includes(char) || char === '-') return `\\${char}`
    return char < ' ' ? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}` : char
  }

  #class(): void {
    const source = this.#source
    let out = ''
    const isNegated = source[this.#at] === '^'
    if (isNegated) this.#at++
    // A `]` in first place is a member.
    for (let isFirst = true; ; isFirst = false) {
      const char = source[this.#at]
      if (char === undefined) throw new Refused('a "[" is not closed')
      if (char === ']' && !isFirst) break
      out += this.#member()
    }
    this.#at++
    this.#out += `[${isNegated ? '^' : ''}${out}]`
  }

  #member(): string {
    const source = this.#source
    const rest = source.slice(this.#at)
    const [posix, name] = /^\[:(\^?\w+):\]/.exec(rest) ?? []
    if (posix !== undefined) {
      const set = POSIX_CLASSES.get(name!)
      if (set === undefined) throw new Refused(`"${posix}" is not supported`)
      this.#at += posix.length
      return this.#ignoreCase && (name === 'lower' || name === 'upper') ? 'A-Za-z' : set
    }
    // Rust reads these as set operations, RE2 as characters.
    if (rest[0] === '[' || /^(?:&&|--|~~)/.test(rest)) {
      throw new Refused(`"${rest.slice(0, 2)}" inside "[…]" means different things to different engines; escape it`)
    }
    const set = rest[0] === '\\' ? ESCAPES.get(rest[1] ?? '') : undefined
    if (set !== undefined) {
      this.#at += 2
      return set
    }
    const low = this.#classChar()
    const isRange = source[this.#at] === '-' && source[this.#at + 1] !== ']' && this.#at + 1 < source.length
    if (!isRange) return this.#literal(low, true)
    this.#at++
    const high = this.#classChar()
    if (low > high) throw new Refused(`the range "${low}-${high}" is empty`)
    return this.#range(low, high)
  }

  /** One member character, decoded. */
  #classChar(): string {
    const char = this.#source[this.#at++]
    if (char === undefined) throw new Refused('a "[" is not closed')
    if (char !== '\\') return char
    const escaped = this.#source[this.#at++]
    if (escaped === undefined) throw new Refused('it ends in a backslash')
    const control = 'abtnvfr'.indexOf(escaped)
    if (escaped !== 'b' && control !== -1) return String.fromCharCode(7 + control)
    if (escaped === 'x') {
      const text = this.#escapedChar('x', true)
      const code = /^\\x(..)$/.exec(text)?.[1]
      if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16))
      return text[text.length - 1]!
    }
    if (/[0-9A-Za-z]/.test(escaped)) throw new Refused(`"\\${escaped}" is not supported inside "[…]"`)
    return escaped
  }

  #range(low: string, high: string): string {
    const plain = `${this.#classBound(low)}-${this.#classBound(high)}`
    if (!this.#ignoreCase) return plain
    let out = plain
    for (let code = low.charCodeAt(0); code <= high.charCodeAt(0); code++) {
      const char = String.fromCharCode(code)
      if (/[A-Za-z]/.test(char)) out += char.toLowerCase() + char.toUpperCase()
    }
    return out
  }

  #classBound(char: string): string {
    return /[A-Za-z]/.test(char) ? char : this.#literal(char, true)
  }
}
