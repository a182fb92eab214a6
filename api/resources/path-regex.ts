/**
 * Regular expressions of routes. Manifests are written for an engine without backtracking (the syntax of RE2 and of
 * Rust's `regex`), so what only a backtracking engine can do is refused here, and the few notations that JavaScript
 * spells differently are translated.
 */
export type CompiledRegex =
  | { readonly kind: 'regex'; readonly regex: RegExp }
  | { readonly kind: 'bad'; readonly reason: string }

/** Compiles `source`, anchored to the whole text on both sides, as the path of a service profile route is. */
export function compileAnchoredRegex(source: string): CompiledRegex {
  const refused = refusedSyntax(source)
  if (refused !== undefined) return { kind: 'bad', reason: refused }
  const { pattern, flags } = translate(source)
  try {
    return { kind: 'regex', regex: new RegExp(`^(?:${pattern})$`, `u${flags}`) }
  } catch (error) {
    const reason = (error as Error).message.replace(/^Invalid regular expression: .*\/[a-z]*: /, '')
    return { kind: 'bad', reason: reason.toLowerCase() }
  }
}

function refusedSyntax(source: string): string | undefined {
  const plain = source.replace(/\\[^0-9k]/g, '')
  if (/\(\?<?[=!]/.test(plain)) return 'look-around is not supported'
  if (/\\[1-9]|\\k</.test(plain)) return 'back-references are not supported'
  return undefined
}

function translate(source: string): { pattern: string; flags: string } {
  let flags = ''
  let pattern = source.replace(/^\(\?([ims]+)\)/, (_, given: string) => {
    flags = [...new Set(given)].join('')
    return ''
  })
  pattern = pattern.replaceAll('(?P<', '(?<').replace(/\\(.)/gs, (whole, char: string) => {
    if (char === 'A') return '^'
    if (char === 'z') return '$'
    // In unicode mode JavaScript allows escaping only its own syntax characters; RE2 allows all punctuation.
    return /[!"#%&',:;<=>@_`~ ]/.test(char) ? char : char === '-' ? '\\x2d' : whole
  })
  return { pattern, flags }
}
