import { test } from 'tap'
import { FailureAccrual } from './failure-accrual.ts'

function breaker(): FailureAccrual {
  const backoff = { minMs: 1_000, maxMs: 60_000, jitter: 0 }
  return new FailureAccrual({ kind: 'consecutive', maxFailures: 3, backoff }, () => 0)
}

function fail(accrual: FailureAccrual, times: number, nowMs: number): void {
  for (let count = 0; count < times; count++) accrual.done(accrual.start(), 'failure', nowMs)
}

test('failures in a row open the breaker, a success in between does not let them', async (t) => {
  const accrual = breaker()
  fail(accrual, 2, 0)
  accrual.done(accrual.start(), 'success', 0)
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
  accrual.done(isProbe, 'failure', 1_500)
  t.equal(accrual.openUntilMs, 3_500, 'a failure doubles the back-off')
  accrual.done(accrual.start(), 'success', 3_600)
  t.ok(accrual.isReady(3_600))
  fail(accrual, 3, 4_000)
  t.equal(accrual.openUntilMs, 5_000, 'and a success resets it')
})

test('late answers do not close an open breaker', async (t) => {
  const accrual = breaker()
  const early = accrual.start()
  fail(accrual, 3, 0)
  accrual.done(early, 'success', 10)
  t.notOk(accrual.isReady(10))
  const probe = accrual.start()
  accrual.done(early, 'failure', 1_100)
  accrual.abandoned(probe)
  t.ok(accrual.isReady(1_100), 'an abandoned probe makes room for the next one')
})
