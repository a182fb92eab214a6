import { test } from 'tap'
import { declareFamilies } from './families.ts'
import { Logger } from './log.ts'
import { parseLogFilter } from './log-filter.ts'
import { MAX_REFUSAL_LINES_PER_SECOND, Refusals } from './refusals.ts'
import { Registry } from './registry.ts'

test('refusals are all counted, and told once per connection', async (t) => {
  let nowMs = 0
  const lines: string[] = []
  const registry = new Registry({ nowMs: () => nowMs, retainIdleMs: 1_000 })
  const filter = parseLogFilter('info')
  if ('problem' in filter) throw new Error(filter.problem)
  const log = Logger.create({ format: 'plain', write: (line) => void lines.push(line), uptimeMs: () => nowMs }, filter)
  const refusals = new Refusals(declareFamilies(registry).refused, 'inbound', 'src', log, () => nowMs)
  const refuse = (isFirst: boolean) => refusals.refused('resets', () => '10.0.0.7:80', 'too many streams', isFirst)

  refuse(true)
  refuse(false)
  t.match(registry.render(), 'weft_refused_total{direction="inbound",peer="src",reason="resets"} 2')
  t.equal(lines.length, 1)
  t.match(lines[0], 'inbound 10.0.0.7:80: refused (resets): too many streams')

  for (let count = 0; count < 100; count++) refuse(true)
  t.equal(lines.length, MAX_REFUSAL_LINES_PER_SECOND, 'no more than some lines per second')
  nowMs = 1_000
  refuse(true)
  t.match(lines.at(-1), '(91 more connections since the last line)')
  t.match(registry.render(), /reason="resets"} 103\n/, 'all are counted')
})
