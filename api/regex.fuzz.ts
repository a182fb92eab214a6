/**
 * Regular expressions, against RE2 itself (re2js): a source that we accept matches whole texts that RE2 matches, and what
 * RE2 refuses we refuse. None throws, none runs away; a quoted text matches itself alone.
 */
import { equal, ok } from 'node:assert/strict'
import { createRequire } from 'node:module'
import { below, mutateText, pick, several, textOf } from '../test/fuzz/draw.ts'
import { fuzzer } from '../test/fuzz/fuzzer.ts'
import { compileAnchoredPattern, compilePattern, matchesWhole } from './regex.ts'

interface Matcher {
  find(): boolean
  start(): number
  end(): number
  lookingAt(): boolean
  matches(): boolean
}

/** Loaded without its types: they would be needed wherever this file is checked. */
const { RE2JS } = createRequire(import.meta.url)('re2js') as {
  RE2JS: {
    compile(source: string): { matcher(text: string): Matcher }
  }
}

type Input = { readonly source: string; readonly texts: readonly string[] }

const PIECES = [
  'a', 'b', 'B', '0', '/', '-', '.', '*', '+', '?', '|', '^', '$', '(', ')', '(?:', '(?i)', '(?s)', '(?P<n>', '(?<n>', '[', ']', '[^', '[:alpha:]', '[[:^digit:]]', '{', '}', '{2}', '{1,3}', '{0}', '{,2}',
  '\\', '\\d', '\\D', '\\W', '\\w', '\\s', '\\b', '\\B', '\\Q', '\\E', '\\x41', '\\x{41}', '\\A', '\\z', '\\Z', '\\.', '\\-', '\\n', '\\t', '\\a', '\\f', '\\v', '\\pL', '\\C', ' ', 'é', '\n', '&&', ':', ',', '*?', '+?', '??', '--', 'a-z', 'k', 'K', '_',
] // biome-ignore format: one glance
const TEXTS = [
  '',
  'a',
  'b',
  'B',
  'ab',
  'aB',
  '0',
  '/',
  'a/b',
  '/a/0',
  '\n',
  ' ',
  '-',
  'aa',
  'aaaa',
  'é',
  'A',
  'k',
  '\u212a',
  'ſ',
  '.',
  '*',
  '\\',
  ']',
  '[',
  '^',
  '{',
  '}',
  '{2}',
  'a b',
  '_',
  '\x07',
  'n',
  'Q',
  'E',
]

export const regexFuzzer = fuzzer<Input>({
  name: 'regex',
  checks:
    'regular expressions: the matches of RE2 (re2js), no throw, nothing that runs away, quoted texts match themselves',
  cases: 1_000,
  generate: (random) => ({
    source: several(random, 10, () => pick(random, PIECES)).join(''),
    texts: [...several(random, 8, () => pick(random, TEXTS)), textOf(random, below(random, 6), 128)],
  }),
  mutate: (random, { source, texts }) => ({
    source: mutateText(random, source, PIECES, 2, 128),
    texts: [...texts, pick(random, TEXTS)].slice(-8),
  }),
  run: check,
})

function check({ source, texts }: Input): void {
  const oracle = compileWithRe2(source)
  const pattern = compilePattern(source)
  if (!('problem' in pattern)) {
    ok(oracle !== undefined, `RE2 refuses ${JSON.stringify(source)}`)
    for (const text of texts) {
      const matcher: Matcher = oracle.matcher(text)
      // The first match has to begin at the start and span the whole, as route rules want it.
      const expected: boolean = matcher.find() && matcher.start() === 0 && matcher.end() === text.length
      const isFirstAtStart: boolean = expected || (matcher.lookingAt() && matcher.end() === text.length)
      equal(matchesWhole(pattern, text), isFirstAtStart, `${JSON.stringify(source)} and ${JSON.stringify(text)}`)
    }
  }
  const anchored = compileAnchoredPattern(source)
  if (!('problem' in anchored)) {
    const whole = compileWithRe2(source.trim())
    ok(whole !== undefined, `RE2 refuses ${JSON.stringify(source)} anchored`)
    for (const text of texts)
      equal(
        matchesWhole(anchored, text),
        whole.matcher(text).matches(),
        `anchored ${JSON.stringify(source)} and ${JSON.stringify(text)}`,
      )
  }
  for (const literal of texts) checkQuoted(literal)
}

function checkQuoted(literal: string): void {
  if (/[^ -~]/.test(literal)) return
  const quotations = [literal.replace(/[^0-9A-Za-z]/g, '\\$&')]
  if (!literal.includes('\\')) quotations.push(`\\Q${literal}\\E`)
  for (const quoted of quotations) {
    const pattern = compilePattern(quoted)
    ok(!('problem' in pattern), quoted)
    ok(matchesWhole(pattern, literal), `${quoted} matches ${literal}`)
    ok(!matchesWhole(pattern, `${literal}x`))
  }
}

function compileWithRe2(source: string): { matcher(text: string): Matcher } | undefined {
  try {
    return RE2JS.compile(source)
  } catch {
    return undefined
  }
}
