import { test } from 'tap'
import { Patience } from './patience.ts'

test('patience ends with a mark that stays the same', async (t) => {
  const cases: readonly { name: string; marks: readonly number[]; over: readonly boolean[] }[] = [
    { name: 'nothing is awaited', marks: [-1, -1, -1, -1], over: [false, false, false, false] },
    { name: 'progress every second', marks: [0, 1, 2, 3], over: [false, false, false, false] },
    { name: 'no progress', marks: [7, 7, 7, 7], over: [false, false, true, true] },
    { name: 'progress in the last moment', marks: [7, 7, 8, 8, 8], over: [false, false, false, false, true] },
    { name: 'a pause that ends', marks: [7, 7, -1, 7, 7, 7], over: [false, false, false, false, false, true] },
  ]
  for (const { name, marks, over } of cases) {
    const patience = new Patience()
    t.same(
      marks.map((mark, second) => patience.isOver(mark, second * 1_000, 2_000)),
      over,
      name,
    )
  }
})
