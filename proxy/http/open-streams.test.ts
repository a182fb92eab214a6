import { test } from 'tap'
import { seededRandom } from '../wire/seeded-random.ts'
import type { Http2Stream } from './http2-stream.ts'
import { OpenStreams } from './open-streams.ts'

const streamOf = (id: number) => ({ id }) as Http2Stream

test('as a Map, whatever the ids', async (t) => {
  const random = seededRandom(3)
  const strides: readonly (() => number)[] = [
    () => 2,
    // All of them begin at the same slot, or at few.
    () => 2_048,
    () => 2 * (1 + Math.floor(random() * 4)) * 16,
    () => 2 * (1 + Math.floor(random() * 9)),
  ]
  for (const stride of strides) {
    const streams = new OpenStreams()
    const expected = new Map<number, Http2Stream>()
    let id = 1
    for (let step = 0; step < 5_000; step++) {
      // Waves: up to some hundred, and back to none.
      const isFilling = Math.floor(step / 500) % 2 === 0
      if (random() < (isFilling ? 0.8 : 0.2)) {
        const stream = streamOf(id)
        id += stride()
        streams.add(stream)
        expected.set(stream.id, stream)
      } else if (expected.size > 0) {
        const gone = [...expected.values()][Math.floor(random() * expected.size)]!
        if (!streams.delete(gone)) t.fail(`${gone.id} was there`)
        expected.delete(gone.id)
        if (streams.delete(gone)) t.fail(`${gone.id} was there twice`)
      }
      if (step % 37 === 0) streams.tidy()
      if (streams.size !== expected.size) t.fail(`${streams.size} of ${expected.size}`)
      if (step % 50 === 0) {
        for (let wanted = id - 1_000; wanted <= id; wanted++)
          if (streams.get(wanted) !== expected.get(wanted)) t.fail(`${wanted}`)
        t.same(
          streams.all().map((stream) => stream.id),
          [...expected.keys()],
        )
      }
    }
  }
})

test('streams may end while all of them are walked', async (t) => {
  const streams = new OpenStreams()
  for (let id = 1; id < 100; id += 2) streams.add(streamOf(id))
  for (const stream of streams.all()) streams.delete(stream)
  t.equal(streams.size, 0)
  t.same(streams.all(), [])
  t.equal(streams.get(1), undefined)
})
