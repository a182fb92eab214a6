/** Sources of every kind: none may throw, none may run away, and a quoted text matches itself alone. */
import { compileAnchoredPattern, compilePattern, matchesWhole } from './regex.ts'

const PIECES = [
  'a', 'b', 'B', '0', '/', '-', '.', '*', '+', '?', '|', '^', '$', '(', ')', '(?:', '(?i)', '(?P<n>', '[', ']', '[^', '[:alpha:]', '{', '}', '{2}', '{1,3}',
  '\\', '\\d', '\\W', '\\b', '\\Q', '\\E', '\\x41', '\\A', '\\z', '\\.', ' ', 'é', '\n', '&&', ':', ',',
] // biome-ignore format: one glance

export function fuzzRegex(random: () => number, iterations: number): void {
  const any = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!
  const text = (length: number): string =>
    Array.from({ length }, () => String.fromCharCode(32 + Math.floor(random() * 95))).join('')
  for (let round = 0; round < iterations; round++) {
    const source = Array.from({ length: Math.floor(random() * 12) }, () => any(PIECES)).join('')
    for (const compile of [compilePattern, compileAnchoredPattern]) {
      const pattern = compile(source)
      if (!('problem' in pattern)) matchesWhole(pattern, text(Math.floor(random() * 20)))
    }

    const literal = text(1 + Math.floor(random() * 10))
    const escaped = literal.replace(/[^0-9A-Za-z]/g, '\\$&')
    for (const quoted of [escaped, `\\Q${literal}\\E`]) {
      if (quoted === `\\Q${literal}\\E` && literal.includes('\\')) continue
      const pattern = compilePattern(quoted)
      if ('problem' in pattern) throw new Error(pattern.problem)
      if (!matchesWhole(pattern, literal)) throw new Error(`${quoted} does not match ${literal}`)
      const other = text(literal.length)
      if (other !== literal && matchesWhole(pattern, other)) throw new Error(`${quoted} matches ${other}`)
    }
  }
}
