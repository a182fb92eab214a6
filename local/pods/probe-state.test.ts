import { test } from 'tap'
import type { Probe } from '../../api/resources/pod.ts'
import { type ProbeKind, ProbeState } from './probe-state.ts'

const probe: Probe = {
  initialDelaySeconds: 0,
  timeoutSeconds: 1,
  periodSeconds: 2,
  successThreshold: 1,
  failureThreshold: 3,
}

/** `+` and `-` are answers, each `stepMs` after the one before; returns what became of it after each. */
function play(kind: ProbeKind, answers: string, given: Partial<Probe> = {}, stepMs = 2_000) {
  const state = new ProbeState({ ...probe, ...given }, kind, 0)
  return [...answers].map((each, index) => state.observe(each === '+', index * stepMs).became ?? '.').join(' ')
}

test('probes', async (t) => {
  const cases = [
    { name: 'ready with the first success', kind: 'readiness', answers: '-+', becomes: '. healthy' },
    {
      name: 'ready only after successThreshold',
      kind: 'readiness',
      answers: '++',
      given: { successThreshold: 2 },
      becomes: '. healthy',
    },
    {
      name: 'unready after failureThreshold in a row',
      kind: 'readiness',
      answers: '+--+---',
      becomes: 'healthy . . . . . unhealthy',
    },
    { name: 'ready again', kind: 'readiness', answers: '+---+', becomes: 'healthy . . unhealthy healthy' },
    { name: 'alive until disproven', kind: 'liveness', answers: '---', becomes: '. . unhealthy' },
    { name: 'one answer clears the failures', kind: 'liveness', answers: '--+--', becomes: '. . . . .' },
    { name: 'started', kind: 'startup', answers: '--+', becomes: '. . healthy' },
    {
      name: 'not started within failureThreshold periods',
      kind: 'startup',
      answers: '----',
      becomes: '. . . unhealthy',
    },
  ] as const
  for (const { name, kind, answers, becomes, ...rest } of cases) {
    t.equal(play(kind, answers, 'given' in rest ? rest.given : {}), becomes, name)
  }
})

test('until the first success a probe is asked soon and then less often, but gives up no sooner', async (t) => {
  const state = new ProbeState({ ...probe, periodSeconds: 1, failureThreshold: 120 }, 'startup', 0)
  const delays: number[] = []
  let nowMs = 0
  for (let count = 0; count < 7; count++) {
    const { nextInMs, became } = state.observe(false, nowMs)
    t.equal(became, undefined)
    delays.push(nextInMs)
    nowMs += nextInMs
  }
  t.same(delays, [50, 100, 200, 400, 800, 1_000, 1_000])
  t.equal(state.observe(false, 119_999).became, undefined)
  t.equal(state.observe(false, 120_000).became, 'unhealthy')
})

test('the first question waits for initialDelaySeconds', async (t) => {
  t.equal(new ProbeState({ ...probe, initialDelaySeconds: 10 }, 'liveness', 0).firstInMs, 10_000)
})
