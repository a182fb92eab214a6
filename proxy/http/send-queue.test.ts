import { test } from 'tap'
import { seededRandom } from '../wire/seeded-random.ts'
import { SendQueue } from './send-queue.ts'

test('what goes in comes out, in order, whatever the pieces', async (t) => {
  const random = seededRandom(11)
  for (let round = 0; round < 50; round++) {
    const queue = new SendQueue()
    const pushed: Buffer[] = []
    const taken: Buffer[] = []
    let next = 0
    for (let step = 0; step < 200; step++) {
      if (random() < 0.5) {
        const piece = Buffer.from(Array.from({ length: Math.floor(random() ** 4 * 100_000) }, () => next++ & 0xff))
        queue.push(piece, 0, piece.length)
        pushed.push(Buffer.from(piece))
        piece.fill(0)
      } else {
        const target = Buffer.alloc(Math.floor(random() ** 3 * 80_000) + 8)
        taken.push(target.subarray(3, 3 + queue.take(target, 3, target.length - 3)))
      }
    }
    const rest = Buffer.alloc(queue.bytes)
    taken.push(rest.subarray(0, queue.take(rest, 0, rest.length)))
    if (!Buffer.concat(taken).equals(Buffer.concat(pushed))) t.fail(`round ${round} lost or mixed bytes`)
    if (queue.bytes !== 0) t.fail(`round ${round}: ${queue.bytes} bytes are left`)
  }
  t.pass('fifty rounds')
})

test('two queues do not share a chunk', async (t) => {
  const [a, b] = [new SendQueue(), new SendQueue()]
  a.push(Buffer.from('first'), 0, 5)
  a.clear()
  b.push(Buffer.from('second'), 0, 6)
  a.push(Buffer.from('third'), 0, 5)
  const out = Buffer.alloc(16)
  t.equal(b.take(out, 0, 16), 6)
  t.equal(String(out.subarray(0, 6)), 'second')
  t.equal(a.take(out, 0, 16), 5)
  t.equal(String(out.subarray(0, 5)), 'third')
})
