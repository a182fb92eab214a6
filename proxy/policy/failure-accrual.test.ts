import { test } from 'tap'
import { FailureAccrual, type Outcome } from './failure-accrual.ts'
import type { FailureAccrualParams } from './outbound-policy.ts'

const CONSECUTIVE: FailureAccrualParams = {
  maxFailures: 3,
  successRate: undefined,
  backoff: { minMs: 1_000, maxMs: 60_000, jitter: 0 },
  honorsRetryAfter: false,
  minReadyEndpoints: 0,
}
const UNIFIED: FailureAccrualParams = {
  ...CONSECUTIVE,
  successRate: { threshold: 0.8, windowMs: 10_000, minRequests: 5 },
}

function breaker(params: Partial<FailureAccrualParams> = {}, mayOpen = () => true): FailureAccrual {
  return new FailureAccrual({ ...CONSECUTIVE, ...params }, () => 0, mayOpen)
}

function end(accrual: FailureAccrual, outcome: Outcome, nowMs: number, retryAfterMs = 0): void {
  accrual.done(accrual.start(), outcome, nowMs, retryAfterMs)
}

function fail(accrual: FailureAccrual, times: number, nowMs: number): void {
  for (let count = 0; count < times; count++) end(accrual, 'failure', nowMs)
}

test('failures in a row open the breaker, a success in between does not let them', async (t) => {
  const accrual = breaker()
  fail(accrual, 2, 0)
  end(accrual, 'success', 0)
  fail(accrual, 2, 0)
  t.ok(accrual.isReady(0))
  fail(accrual, 1, 0)
  t.notOk(accrual.isReady(0))
  t.ok(accrual.isOpen)
})

test('after the back-off one probe decides', async (t) => {
  const accrual = breaker()
  fail(accrual, 3, 0)
  t.equal(accrual.openUntilMs, 1_000)
  t.notOk(accrual.isReady(999))
  t.ok(accrual.isReady(1_000))
  const isProbe = accrual.start()
  t.ok(isProbe)
  t.notOk(accrual.isReady(1_000), 'the others wait for it')
  accrual.done(isProbe, 'failure', 1_500, 0)
  t.equal(accrual.openUntilMs, 3_500, 'a failure doubles the back-off')
  end(accrual, 'success', 3_600)
  t.ok(accrual.isReady(3_600))
  fail(accrual, 3, 4_000)
  t.equal(accrual.openUntilMs, 5_000, 'and a success resets it')
})

test('late answers do not close an open breaker', async (t) => {
  const accrual = breaker()
  const early = accrual.start()
  fail(accrual, 3, 0)
  accrual.done(early, 'success', 10, 0)
  t.notOk(accrual.isReady(10))
  const probe = accrual.start()
  accrual.done(early, 'failure', 1_100, 0)
  accrual.abandoned(probe)
  t.ok(accrual.isReady(1_100), 'an abandoned probe makes room for the next one')
})

test('what opens a breaker', async (t) => {
  const ok = 'success'
  const bad = 'failure'
  const busy = 'limited'
  const cases: { name: string; params: FailureAccrualParams; outcomes: Outcome[]; isOpen: boolean }[] = [
    { name: 'in a row', params: CONSECUTIVE, outcomes: [bad, bad, bad], isOpen: true },
    {
      name: 'limits are answers where successes are not counted',
      params: CONSECUTIVE,
      outcomes: [busy, busy, busy, busy],
      isOpen: false,
    },
    { name: 'a limit breaks a row', params: CONSECUTIVE, outcomes: [bad, bad, busy, bad, bad], isOpen: false },
    {
      name: 'unified: also in a row, before there are enough requests',
      params: UNIFIED,
      outcomes: [bad, bad, bad],
      isOpen: true,
    },
    { name: 'unified: two of five failed', params: UNIFIED, outcomes: [bad, ok, ok, ok, bad], isOpen: true },
    { name: 'unified: one of five failed', params: UNIFIED, outcomes: [ok, ok, ok, ok, bad], isOpen: false },
    { name: 'unified: limits lower the rate', params: UNIFIED, outcomes: [busy, ok, ok, ok, busy], isOpen: true },
    { name: 'unified: limits are not in a row', params: UNIFIED, outcomes: [busy, busy, busy, busy], isOpen: false },
    { name: 'unified: a success never opens', params: UNIFIED, outcomes: [bad, bad, ok, ok, ok], isOpen: false },
    {
      name: 'unified without a number in a row',
      params: { ...UNIFIED, maxFailures: 0 },
      outcomes: [bad, bad, bad, bad],
      isOpen: false,
    },
  ]
  for (const { name, params, outcomes, isOpen } of cases) {
    const accrual = breaker(params)
    for (const [at, outcome] of outcomes.entries()) end(accrual, outcome, at)
    t.equal(accrual.isOpen, isOpen, name)
  }
})

test('a probe that is limited fails where successes are counted, and what was before it is forgotten', async (t) => {
  const accrual = breaker(UNIFIED)
  fail(accrual, 3, 0)
  end(accrual, 'limited', 1_000)
  t.equal(accrual.openUntilMs, 3_000)
  end(accrual, 'success', 3_000)
  t.notOk(accrual.isOpen)
  fail(accrual, 1, 3_001)
  t.notOk(accrual.isOpen, 'the three failures no longer count')
})

test('Retry-After is waited for where the policy says so, at most as long as the longest back-off', async (t) => {
  const cases = [
    { name: 'not honoured', honorsRetryAfter: false, retryAfterMs: 5_000, openUntilMs: 1_000 },
    { name: 'longer than the back-off', honorsRetryAfter: true, retryAfterMs: 5_000, openUntilMs: 5_000 },
    { name: 'shorter than the back-off', honorsRetryAfter: true, retryAfterMs: 500, openUntilMs: 1_000 },
    { name: 'longer than any back-off', honorsRetryAfter: true, retryAfterMs: 3_600_000, openUntilMs: 60_000 },
  ]
  for (const { name, honorsRetryAfter, retryAfterMs, openUntilMs } of cases) {
    const accrual = breaker({ maxFailures: 1, honorsRetryAfter })
    end(accrual, 'failure', 0, retryAfterMs)
    t.equal(accrual.openUntilMs, openUntilMs, name)
  }
})

test('a breaker that may not open asks again with the next failure', async (t) => {
  let mayOpen = false
  let asked = 0
  const accrual = breaker({}, () => {
    asked++
    return mayOpen
  })
  fail(accrual, 3, 0)
  t.ok(accrual.isReady(0))
  fail(accrual, 1, 0)
  t.equal(asked, 2)
  mayOpen = true
  fail(accrual, 1, 0)
  t.notOk(accrual.isReady(0))
  fail(accrual, 1, 1_000)
  t.equal(asked, 3, 'a probe that fails needs no permission')
})
