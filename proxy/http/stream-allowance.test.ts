import { test } from 'tap'
import { StreamAllowance } from './stream-allowance.ts'

test('streams that an endpoint refuses bound its connections', async (t) => {
  const allowance = new StreamAllowance()
  for (let i = 0; i < 1_000; i++) allowance.onEnded()
  t.equal(allowance.limit, Number.POSITIVE_INFINITY, 'no bound without a refusal')
  for (const open of [31, 30, 10]) allowance.onRefused(open)
  t.equal(allowance.limit, 10, 'what was left open is what it bears')
  allowance.onRefused(20)
  t.equal(allowance.limit, 10, 'another connection does not raise it')
  allowance.onRefused(0)
  t.equal(allowance.limit, 1, 'one is always tried')
  for (let i = 0; i < 8; i++) allowance.onEnded()
  t.equal(allowance.limit, 2, 'a bound that holds is tried higher')
  for (let i = 0; i < 8; i++) allowance.onEnded()
  t.equal(allowance.limit, 2, 'the more slowly the higher it is')
  for (let i = 0; i < 8; i++) allowance.onEnded()
  t.equal(allowance.limit, 3)
})
