import { test } from 'tap'
import { formatPortSet, hasPort, parsePortSet } from './port-set.ts'

test('lists of ports', async (t) => {
  const cases = [
    { name: 'numbers and ranges', text: '25,587,3000-3002', ports: '25,587,3000-3002', wrong: [] },
    { name: 'blanks and empty elements are ignored', text: ' 25 ,, 587,', ports: '25,587', wrong: [] },
    { name: 'nothing', text: '', ports: '', wrong: [] },
    { name: 'all ports are one range', text: '1-65535', ports: '1-65535', wrong: [] },
    { name: 'names are looked up', text: 'redis,80', ports: '6379,6380,80', wrong: [] },
    {
      name: 'what is no port is told',
      text: '0,80,65536,90-80,-1,web',
      ports: '80',
      wrong: ['0', '65536', '90-80', '-1', 'web'],
    },
  ]
  const byName = (name: string) => (name === 'redis' ? [6379, 6380] : undefined)
  for (const { name, text, ports, wrong } of cases) {
    const parsed = parsePortSet(text, byName)
    t.equal(formatPortSet(parsed.ports), ports, name)
    t.same(parsed.wrong, wrong, `${name}: wrong elements`)
  }
})

test('membership includes both ends of a range', async (t) => {
  const { ports } = parsePortSet('25,3000-3002')
  for (const port of [25, 3000, 3001, 3002]) t.ok(hasPort(ports, port))
  for (const port of [24, 26, 2999, 3003]) t.notOk(hasPort(ports, port))
})
