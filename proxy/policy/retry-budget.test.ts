import { test } from 'tap'
import { RetryBudget } from './retry-budget.ts'

const onlyRatio = { retryRatio: 0.2, minRetriesPerSecond: 0, ttlMs: 10_000 }

function withdrawals(budget: RetryBudget, nowMs: number): number {
  let count = 0
  while (count < 10_000 && budget.tryWithdraw(nowMs)) count++
  return count
}

test('retries are a share of the requests', async (t) => {
  const budget = new RetryBudget(onlyRatio, 0)
  t.notOk(budget.tryWithdraw(0), 'no request, no retry')
  for (let request = 0; request < 100; request++) budget.deposit(0)
  t.equal(withdrawals(budget, 0), 20)
  for (let request = 0; request < 5; request++) budget.deposit(5)
  t.equal(withdrawals(budget, 5), 1, 'five requests pay for one retry')
})

test('the reserve allows minRetriesPerSecond without any traffic', async (t) => {
  const budget = new RetryBudget({ retryRatio: 0, minRetriesPerSecond: 10, ttlMs: 10_000 }, 0)
  t.equal(withdrawals(budget, 0), 100, 'the whole window at once')
  t.equal(withdrawals(budget, 9_999), 0, 'spent until the window has passed')
  t.equal(withdrawals(budget, 10_000), 100)
})

test('deposits and withdrawals are forgotten after the ttl, slot by slot', async (t) => {
  const budget = new RetryBudget(onlyRatio, 0)
  for (let second = 0; second < 10; second++)
    for (let request = 0; request < 10; request++) budget.deposit(second * 1_000)
  t.equal(withdrawals(new RetryBudget(onlyRatio, 0), 0), 0)
  t.equal(withdrawals(budget, 12_500), 14, 'the first three of ten slots are gone')
  t.equal(withdrawals(budget, 60_000), 0, 'after a pause everything is gone')
})

test('a ratio above one allows several retries per request', async (t) => {
  const budget = new RetryBudget({ retryRatio: 3, minRetriesPerSecond: 0, ttlMs: 1_000 }, 0)
  budget.deposit(0)
  t.equal(withdrawals(budget, 0), 3)
})

test('over a long time retries stay within reserve + ratio', async (t) => {
  const budget = new RetryBudget({ retryRatio: 0.5, minRetriesPerSecond: 1, ttlMs: 10_000 }, 0)
  let retries = 0
  for (let atMs = 0; atMs < 600_000; atMs += 10) {
    budget.deposit(atMs)
    if (budget.tryWithdraw(atMs)) retries++
  }
  const requests = 60_000
  t.ok(retries >= requests * 0.5 && retries <= requests * 0.5 + 600 + 10, `${retries} retries`)
})
