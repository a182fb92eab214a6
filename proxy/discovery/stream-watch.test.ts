import { type Test, test } from 'tap'
import { FakeTimers } from '../io/timers.ts'
import type { CallEvents } from './grpc-client.ts'
import { GrpcStatus } from './grpc-status.ts'
import { StreamWatch, type StreamWatchOptions } from './stream-watch.ts'

const { ok, invalidArgument, notFound, unavailable, deadlineExceeded } = GrpcStatus

/** A channel that only remembers, so that the test is the server. */
function setUp(_t: Test, overrides: Partial<StreamWatchOptions> = {}) {
  const timers = new FakeTimers()
  const calls: (CallEvents & { isCancelled: boolean })[] = []
  const heard: string[] = []
  const watch = new StreamWatch({
    channel: {
      serverStream(_path, _request, events) {
        const call = { ...events, isCancelled: false }
        calls.push(call)
        return { cancel: () => (call.isCancelled = true) }
      },
    },
    path: '/x/Y',
    request: new Uint8Array(0),
    limits: { initialMs: 3_000, idleMs: 300_000, lifetimeMs: 3_600_000 },
    backoff: { minMs: 100, maxMs: 60_000, jitter: 0 },
    isReissuedAtOnce: true,
    terminal: new Set<number>([invalidArgument]),
    timers,
    random: () => 0,
    onMessage: (message) => {
      if (message[0] === 0xff) throw new Error('nonsense')
      heard.push(`message ${message[0]}`)
    },
    onTerminal: ({ code }) => heard.push(`terminal ${code}`),
    onFailure: (reason) => heard.push(`failure ${reason}`),
    ...overrides,
  })
  return {
    watch,
    timers,
    calls,
    heard,
    last: () => calls.at(-1)!,
    sent: () => calls.at(-1)!.onSent?.(),
    say: (value: number) => calls.at(-1)!.onMessage(Uint8Array.of(value)),
    end: (code: number, message = '') => calls.at(-1)!.onEnd({ code, message }),
  }
}

test('a stream that fails is asked again with growing delays', async (t) => {
  const { calls, end, timers, heard } = setUp(t)
  for (const delayMs of [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 60_000, 60_000]) {
    end(unavailable, 'gone')
    t.same(timers.delaysMs, [delayMs])
    const count = calls.length
    timers.advance(delayMs - 1)
    t.equal(calls.length, count)
    timers.advance(1)
    t.equal(calls.length, count + 1)
  }
  t.same(heard, ['failure UNAVAILABLE: gone'], 'said once')
  end(notFound, 'x')
  t.equal(heard.at(-1), 'failure NOT_FOUND: x')
})

test('an established stream that ends is asked again at once, and its back-off starts anew', async (t) => {
  const { calls, sent, say, end, timers } = setUp(t)
  end(unavailable)
  timers.advance(100)
  sent()
  say(1)
  timers.advance(1_000)
  end(ok)
  t.equal(calls.length, 3, 'at once')
  end(unavailable)
  t.same(timers.delaysMs, [100], 'and only if that fails after back-off')
})

test('Get waits one step of the back-off first', async (t) => {
  const { calls, sent, say, end, timers } = setUp(t, { isReissuedAtOnce: false })
  sent()
  say(1)
  timers.advance(1_000)
  end(ok)
  t.equal(calls.length, 1)
  t.same(timers.delaysMs, [100])
})

test('a server that ends every stream at once is not asked in a loop', async (t) => {
  const { sent, say, end, timers } = setUp(t)
  for (const delayMs of [100, 200, 400]) {
    sent()
    say(1)
    end(ok)
    t.same(timers.delaysMs, [delayMs])
    timers.advance(delayMs)
  }
})

test('limits', async (t) => {
  {
    const { sent, timers, last, heard, calls } = setUp(t)
    t.same(timers.delaysMs, [], 'while the call waits for a connection no limit runs')
    sent()
    timers.advance(3_000)
    t.equal(last().isCancelled, true, 'no first message: given up')
    t.same(heard, ['failure DEADLINE_EXCEEDED: no first message within 3000 ms'])
    t.same(timers.delaysMs, [100])
    timers.advance(100)
    t.equal(calls.length, 2)
  }
  {
    const { sent, say, timers, calls, heard } = setUp(t)
    sent()
    say(1)
    timers.advance(299_999)
    say(2)
    timers.advance(299_999)
    t.equal(calls.length, 1)
    timers.advance(1)
    t.equal(calls.length, 2, 'silence after messages: asked again at once')
    t.equal(calls[0]!.isCancelled, true)
    t.same(heard, ['message 1', 'message 2'], 'which is no failure')
  }
  {
    const { sent, say, timers, calls } = setUp(t)
    sent()
    for (let minute = 0; minute < 60; minute++) {
      say(minute)
      timers.advance(60_000)
    }
    t.equal(calls.length, 2, 'the lifetime has passed')
  }
  {
    const { sent, timers, last } = setUp(t, { limits: { idleMs: 50 } })
    sent()
    timers.advance(50)
    t.equal(last().isCancelled, true, 'an idle limit alone also bounds the first message')
  }
  {
    const { sent, say, timers } = setUp(t, { limits: {} })
    sent()
    say(1)
    t.same(timers.delaysMs, [], 'no limits')
  }
})

test('terminal statuses', async (t) => {
  const { end, timers, heard, calls } = setUp(t)
  end(invalidArgument)
  t.same(heard, [`terminal ${invalidArgument}`])
  t.same(timers.delaysMs, [])
  t.equal(calls.length, 1)
})

test('a message that does not decode', async (t) => {
  const { sent, say, timers, last, heard } = setUp(t)
  sent()
  say(1)
  timers.advance(10_000)
  say(0xff)
  t.equal(last().isCancelled, true)
  t.same(heard, ['message 1', 'failure INTERNAL: a message does not decode: nonsense'])
  t.same(timers.delaysMs, [100], 'after back-off, not at once')
})

test('after close nothing follows', async (t) => {
  for (const prepare of ['waiting', 'sent', 'message', 'backing off'] as const) {
    const { watch, sent, say, end, timers, last, calls } = setUp(t)
    if (prepare !== 'waiting') sent()
    if (prepare === 'message') say(1)
    if (prepare === 'backing off') end(deadlineExceeded)
    watch.close()
    t.same(timers.delaysMs, [], prepare)
    if (prepare !== 'backing off') t.equal(last().isCancelled, true, prepare)
    t.equal(calls.length, 1)
  }
})

test('a listener may close the watch while it hears', async (t) => {
  const { watch, sent, say, timers } = setUp(t, { onMessage: () => watch.close() })
  sent()
  say(1)
  t.same(timers.delaysMs, [])
})
