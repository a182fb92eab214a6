import { test } from 'tap'
import { HashRing, hashOf, MAX_POINTS, mix, type RingMember } from './hash-ring.ts'

const KEYS = 20_000

const member = (at: number, weight = 1): RingMember => ({ name: `10.0.${at >> 8}.${at & 255}:80`, weight })
const members = (count: number): RingMember[] => Array.from({ length: count }, (_, at) => member(at))

/** Who owns each of the keys. */
function owners(list: readonly RingMember[]): string[] {
  const ring = new HashRing(list)
  return Array.from({ length: KEYS }, (_, key) => ring.owner(ring.find(hashOf(`session-${key}`))).name)
}

function shares(list: readonly RingMember[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const name of owners(list)) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

test('points are in order, and every key has an owner', async (t) => {
  t.equal(new HashRing([]).find(7), -1)
  const ring = new HashRing(members(5))
  t.equal(ring.size, 5 * 128)
  const hashes = Array.from({ length: 2_000 }, (_, at) => mix(at)).sort((a, b) => a - b)
  const found = hashes.map((hash) => ring.find(hash))
  const wraps = found.filter((at, index) => index > 0 && at < found[index - 1]!).length
  t.ok(wraps <= 1, 'ascending keys find ascending points, but for the end of the ring')
  t.equal(ring.find(0xffffffff), 0)
  t.equal(ring.next(ring.size - 1), 0)
})

test('everybody gets about a share, also with the order turned round', async (t) => {
  const counts = shares(members(10))
  for (const [name, count] of counts) t.ok(Math.abs(count - KEYS / 10) < 0.35 * (KEYS / 10), `${name}: ${count}`)
  t.same(owners(members(10).reverse()), owners(members(10)), 'the order in which members are known does not matter')
})

test('a share follows the weight', async (t) => {
  const counts = shares([member(0, 3), member(1), member(2, 0.5), member(3, 0.001)])
  const parts = [3, 1, 0.5, 0.001].map((weight) => (weight / 4.501) * KEYS)
  for (const at of [0, 1, 2]) {
    const count = counts.get(member(at).name)!
    t.ok(Math.abs(count - parts[at]!) < 0.25 * parts[at]!, `${count} of ${parts[at]}`)
  }
  t.ok((counts.get(member(3).name) ?? 0) < 0.02 * KEYS)
})

test('a change moves the share of who comes or goes, and nothing else', async (t) => {
  for (const count of [3, 10, 100]) {
    const before = owners(members(count))
    const after = owners(members(count + 1))
    const moved = before.filter((name, at) => name !== after[at])
    const gained = before.filter((name, at) => name !== after[at] && after[at] === member(count).name)
    t.equal(moved.length, gained.length, `${count} members and one: only the new one gains`)
    const share = KEYS / (count + 1)
    t.ok(moved.length < 1.4 * share, `${moved.length} sessions move, a share is ${share.toFixed()}`)
    const without = owners(members(count).filter((_, at) => at !== 1))
    const lost = before.filter((name, at) => name !== without[at])
    t.ok(
      lost.every((name) => name === member(1).name),
      'only those of who went move',
    )
  }
})

test('memory is bounded', async (t) => {
  t.ok(new HashRing(members(1_000)).size <= MAX_POINTS)
  t.ok(new HashRing([member(0, 1e9)]).size <= MAX_POINTS)
  t.equal(new HashRing(members(MAX_POINTS + 1)).size, MAX_POINTS + 1, 'one point is the least')
})

test('a long key costs no more than its beginning', async (t) => {
  t.equal(hashOf('k'.repeat(1_024)), hashOf('k'.repeat(100_000)))
  t.not(hashOf('k'.repeat(1_023)), hashOf('k'.repeat(1_024)))
})
