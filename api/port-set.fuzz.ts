/** Port lists, against a reader that keeps every port by itself, and through text and back. */
import { deepEqual, equal } from 'node:assert/strict'
import { mutateText, oddNumber, pick, several } from '../test/fuzz/draw.ts'
import { fuzzer } from '../test/fuzz/fuzzer.ts'
import { formatPortSet, hasPort, parsePortSet } from './port-set.ts'

const PIECES = [
  ',',
  '-',
  ' ',
  '\t',
  '\n',
  '0',
  '1',
  '65535',
  '65536',
  '-1',
  '--',
  '1-2-3',
  '+1',
  '1e3',
  'http',
  '\u0661',
  '0x10',
  '00080',
]

export const portSetFuzzer = fuzzer<string>({
  name: 'port-set',
  checks: 'port lists: members and wrong elements of a reader that keeps every port; what is written is read again',
  cases: 800,
  generate: (random) =>
    several(random, 6, () => {
      const port = Math.max(0, oddNumber(random))
      return pick(random, [
        `${port}`,
        `${port}`,
        `${port}-${port + 3}`,
        `${port + 3}-${port}`,
        ' ',
        `0${port}`,
        pick(random, PIECES),
      ])
    }).join(pick(random, [',', ',', ', ', ';'])),
  mutate: (random, text) => mutateText(random, text, PIECES, 3, 128),
  run(text) {
    const { ports, wrong } = parsePortSet(text)
    const expected = new Set<number>()
    const expectedWrong: string[] = []
    for (const element of text.split(',').map((part) => part.trim())) {
      if (element === '') continue
      const ends = element.split('-')
      const numbers = ends.map((end) =>
        [...end].every((char) => char >= '0' && char <= '9') && end.length > 0 && end.length <= 5
          ? Number(end)
          : Number.NaN,
      )
      const [first = Number.NaN, last = first] = numbers
      if (ends.length > 2 || !(first >= 1 && last >= first && last <= 65_535)) expectedWrong.push(element)
      else for (let port = first; port <= last; port++) expected.add(port)
    }
    deepEqual(wrong, expectedWrong)
    for (const port of [0, 1, 2, 80, 81, 443, 4_143, 65_534, 65_535, 65_536, ...[...expected].slice(0, 50)]) {
      for (const near of [port - 1, port, port + 1]) equal(hasPort(ports, near), expected.has(near), `${near}`)
    }
    deepEqual(parsePortSet(formatPortSet(ports)), { ports, wrong: [] })
  },
})
