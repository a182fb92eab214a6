import { test } from 'tap'
import { compileAnchoredRegex } from './path-regex.ts'

test('compileAnchoredRegex', async (t) => {
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
    const compiled = compileAnchoredRegex(source)
    if (compiled.kind === 'bad') {
      t.fail(`${source}: ${compiled.reason}`)
      continue
    }
    for (const path of matches) t.ok(compiled.regex.test(path), `${source} matches ${path}`)
    for (const path of differs) t.notOk(compiled.regex.test(path), `${source} does not match ${path}`)
  }
  for (const source of ['(', '[a', 'a{2,1}', '(a)\\1', 'a(?!b)', '(?<n>a)\\k<n>'])
    t.equal(compileAnchoredRegex(source).kind, 'bad', source)
})
