import { test } from 'tap'
import { seededRandom } from '../../api/seeded-random.ts'
import { cuts, mutateList, mutateText } from './draw.ts'
import { fuzzer } from './fuzzer.ts'
import { minimise } from './minimise.ts'
import { asciiJson, describeFailure, runFuzzer } from './run.ts'

const broken = fuzzer<{ list: number[]; text: string }>({
  name: 'broken-on-purpose',
  checks: 'nothing with 7 behind a 5 and an x',
  cases: 0,
  generate: (random) => ({
    list: Array.from({ length: 20 }, () => Math.floor(random() * 10)),
    text: mutateText(random, 'abcdefgh', ['x', 'yy']),
  }),
  run({ list, text }) {
    const five = list.indexOf(5)
    if (five !== -1 && list.includes(7, five) && text.includes('x')) throw new Error(`found in ${list.length} numbers`)
  },
})

test('a failure is found again by its seed, as the smallest input, with the command that repeats it', async (t) => {
  const run = () => runFuzzer(broken, { seed: 1, goesOn: (count) => count < 10_000 })
  const { failure } = await run()
  t.match(failure, { seed: 1, input: { list: [5, 7], text: 'x' } })
  t.match((await run()).failure?.index, failure?.index)
  t.match(
    describeFailure(broken, failure!),
    /npm run fuzz -- broken-on-purpose --input '\{"list":\[5,7\],"text":"x"\}'/,
  )
})

test('another failure is not taken for the same', async (t) => {
  const smallest = await minimise([1, 2, 3, 4], async (input) => (input as number[]).length >= 3)
  t.same(smallest, [0, 0, 0])
})

test('inputs are printed so that a shell and a file keep them', async (t) => {
  t.equal(asciiJson('\xff\n\u2028'), '"\\u00ff\\n\\u2028"')
})

test('mutations and cuts', async (t) => {
  const random = seededRandom(3)
  for (let count = 0; count < 500; count++) {
    const list = mutateList(random, [1, 2, 3], () => 9)
    if (!list.every((member) => [1, 2, 3, 9].includes(member))) t.fail(list.join())
    const ends = cuts(random, 50)
    if (ends.at(-1) !== 50 || ends.some((end, at) => end <= (ends[at - 1] ?? 0))) t.fail(ends.join())
  }
  t.same(cuts(random, 0), [])
})
