import { test } from 'tap'
import { compileAnchoredPattern, compilePattern, matchesWhole } from './regex.ts'

test('RE2-style sources match what they mean there', async (t) => {
  const cases: { source: string; yes: string[]; no: string[] }[] = [
    {
      source: '/api/v\\d+/users/[^/]+',
      yes: ['/api/v1/users/x'],
      no: ['/api/v1/users/', '/api/v1/users/x/y', 'x/api/v1/users/x'],
    },
    { source: '(?i)/Api/[a-c]', yes: ['/API/A', '/api/c'], no: ['/api/d'] },
    { source: '(?i)[[:upper:]]+', yes: ['aB'], no: ['a1'] },
    { source: '(?s)a.b', yes: ['a\nb', 'axb'], no: ['ab'] },
    { source: 'a.b', yes: ['axb', 'a\rb'], no: ['a\nb'] },
    { source: '(?P<version>v[0-9])/(?<x>y)', yes: ['v1/y'], no: ['v/y'] },
    { source: '\\A/x\\z', yes: ['/x'], no: ['/xy'] },
    { source: '^/x$', yes: ['/x'], no: ['/xy', 'a/x'] },
    { source: '\\Qa.b*\\E+', yes: ['a.b*', 'a.b**'], no: ['axb*'] },
    { source: '[[:alnum:]_.-]+', yes: ['a.B-3_'], no: ['a/b', ''] },
    { source: '[[:^digit:]]', yes: [], no: [] },
    { source: '[\\w.]+', yes: ['a_1.'], no: ['a-'] },
    { source: '\\w+\\W\\s\\S', yes: ['ab- x'], no: ['ab-xx'] },
    { source: '[]a]+', yes: [']a'], no: ['b'] },
    { source: '[^]a]', yes: ['b'], no: [']', 'a'] },
    { source: '[a-]', yes: ['a', '-'], no: ['b'] },
    { source: '[\\-\\]]', yes: ['-', ']'], no: ['\\'] },
    { source: '[+--]', yes: ['+', ',', '-'], no: ['.'] },
    { source: '[\\x41-\\x{43}]', yes: ['B'], no: ['D'] },
    { source: '\\x2e\\x41', yes: ['.A'], no: ['xA'] },
    { source: '\\/a\\-b\\_\\"\\@', yes: ['/a-b_"@'], no: ['/ab'] },
    { source: '{id}', yes: ['{id}'], no: ['id'] },
    { source: 'a{2,3}', yes: ['aa', 'aaa'], no: ['a', 'aaaa'] },
    { source: 'a|ab', yes: ['a'], no: ['ab'] },
    { source: 'ab|a', yes: ['a', 'ab'], no: ['b'] },
    { source: '', yes: [''], no: ['a'] },
    { source: '\\bx\\b', yes: ['x'], no: ['xx'] },
  ]
  for (const { source, yes, no } of cases) {
    const pattern = compilePattern(source)
    if ('problem' in pattern) {
      t.same(yes, [], pattern.problem)
      continue
    }
    for (const value of yes) t.ok(matchesWhole(pattern, value), `"${source}" matches ${JSON.stringify(value)}`)
    for (const value of no) t.notOk(matchesWhole(pattern, value), `"${source}" does not match ${JSON.stringify(value)}`)
  }
})

test('a service profile path is trimmed and anchored at both ends', async (t) => {
  const pattern = compileAnchoredPattern(' /a|/ab ')
  if ('problem' in pattern) return t.fail(pattern.problem)
  t.ok(matchesWhole(pattern, '/a'))
  t.ok(matchesWhole(pattern, '/ab'))
  t.notOk(matchesWhole(pattern, '/abc'))
  t.notOk(matchesWhole(pattern, 'x/a'))
})

test('paths as profiles have them', async (t) => {
  const cases = [
    { source: '/a/[^/]*', matches: ['/a/', '/a/b'], differs: ['/a/b/c', 'x/a/b'] },
    { source: '^/a$', matches: ['/a'], differs: ['/ab'] },
    { source: '/a|/b', matches: ['/a', '/b'], differs: ['/a/b', '/bc'] },
    { source: '/books/\\d+\\.json', matches: ['/books/12.json'], differs: ['/books/x.json'] },
    { source: '/a\\-b\\_c', matches: ['/a-b_c'], differs: ['/ab_c'] },
    { source: '/[a\\-z]+', matches: ['/a-'], differs: ['/b'] },
    { source: '(?i)/a', matches: ['/A'], differs: ['/b'] },
    { source: '/(?P<id>\\d+)', matches: ['/7'], differs: ['/'] },
  ]
  for (const { source, matches, differs } of cases) {
    const pattern = compileAnchoredPattern(source)
    if ('problem' in pattern) {
      t.fail(pattern.problem)
      continue
    }
    for (const path of matches) t.ok(matchesWhole(pattern, path), `${source} matches ${path}`)
    for (const path of differs) t.notOk(matchesWhole(pattern, path), `${source} does not match ${path}`)
  }
})

test('what has no exact translation is refused with the source and the reason', async (t) => {
  const sources = [
    'a(?=b)',
    'a(?!b)',
    '(?<=a)b',
    '(a)\\1',
    '\\k<x>',
    '(?m)^a$',
    '(?x)a',
    'a(?i)b',
    '(?i:a)',
    '\\p{L}',
    '\\pL',
    '\\C',
    '\\cA',
    '\\u0041',
    '[[:nope:]]',
    '[a[b]]',
    '[a&&b]',
    '[z-a]',
    '[\\b]',
    '[abc',
    '(abc',
    'abc)',
    '*a',
    'a**',
    'a\\',
    'é',
    '\\xff',
    '\\x4',
    'a{2001}b{2000}',
    `${'a'.repeat(5_000)}`,
  ]
  for (const source of sources) {
    const pattern = compilePattern(source)
    t.match('problem' in pattern ? pattern.problem : 'accepted', /^regular expression ".*": ./s, source.slice(0, 20))
  }
})

test('patterns that explode in a backtracking engine stay quick', async (t) => {
  const hostile = `/${'a'.repeat(50_000)}!`
  for (const source of ['/(a+)+', '/(a|a)*', '/(a*)*b', '(.*)(.*)(.*)(.*)x', '(?i)/(a+)+']) {
    const pattern = compilePattern(source)
    if ('problem' in pattern) return t.fail(pattern.problem)
    const startedAt = process.cpuUsage()
    t.notOk(matchesWhole(pattern, hostile), source)
    t.ok(process.cpuUsage(startedAt).user < 2_000_000, `${source} takes less than two seconds for 50 kB`)
  }
})

test('an anchored pattern has to be a pattern by itself', async (t) => {
  t.ok('problem' in compileAnchoredPattern('a)b('), 'parentheses that only the anchor would balance')
})
