import { mock } from 'node:test'
import { test } from 'tap'
import { RequestRecord } from '../http/request-record.ts'
import type { ClientStream } from '../http/stream.ts'
import { Carriage } from '../io/http-clients.ts'
import { Head, Version } from '../wire/head.ts'
import {
  MAX_MIRROR_BYTES,
  MAX_MIRRORS,
  MAX_MIRRORS_BYTES,
  MIRROR_TIMEOUT_MS,
  MirrorLoad,
  type MirrorPlan,
  type MirrorResult,
  startMirror,
} from './mirror.ts'

const nowMs = () => 0

/** An endpoint whose stream takes `window` bytes at once and keeps the rest, or whose connection is not there yet. */
function setUp({ window = 0, isConnected = true } = {}) {
  const calls: string[] = []
  const results: MirrorResult[] = []
  let left = window
  const stream = {
    sendHead: (_head: Head, endStream: boolean) => void calls.push(`head${endStream ? ' end' : ''}`),
    sendData(_buf: Uint8Array, start: number, end: number) {
      const sent = Math.min(left, end - start)
      left -= sent
      return sent
    },
    sendTrailers: () => void calls.push('trailers'),
    reset: (code: number) => void calls.push(`reset ${code}`),
    consumed: (bytes: number) => void calls.push(`consumed ${bytes}`),
  }
  const endpoint = {
    isUpgradeable: false,
    heedsRetryAfter: false,
    load: { firstByte() {}, failed() {} },
    metrics: { onRequest() {}, onResponse() {} },
    begin: () => false,
    ended: () => void calls.push('ended'),
    open: () => (isConnected ? stream : undefined),
  }
  const plan = {
    backend: { pick: () => endpoint },
    ratio: 1,
    onEnd: (result: MirrorResult) => void results.push(result),
  } as unknown as MirrorPlan
  const head = new Head()
  head.version = Version.http2
  head.add(':method', 'POST')
  const load = new MirrorLoad()
  const start = (endStream: boolean) =>
    startMirror(
      plan,
      head,
      { isGrpc: false, carriage: Carriage.http2, record: new RequestRecord(head, endStream) },
      load,
      nowMs,
    )
  return { calls, results, load, start, plan, stream: stream as unknown as ClientStream }
}

test('content that the backend does not take is bounded', async (t) => {
  for (const isConnected of [true, false]) {
    const { start, load, results, calls } = setUp({ isConnected })
    const copy = start(false)!
    copy.onData(Buffer.alloc(MAX_MIRROR_BYTES), 0, MAX_MIRROR_BYTES, false)
    t.equal(load.bytes, MAX_MIRROR_BYTES)
    t.same(results, [])
    copy.onData(Buffer.alloc(1), 0, 1, false)
    t.same(results, ['too_much'], isConnected ? 'in a stream' : 'before there is a connection')
    t.same([load.bytes, load.count], [0, 0])
    t.same(calls, isConnected ? ['head', 'ended', 'reset 8'] : ['ended'], 'it says nothing about the endpoint')
    copy.onData(Buffer.alloc(1), 0, 1, true)
    copy.giveUp()
    t.same(results, ['too_much'], 'once')
  }
})

test('what was taken counts no more', async (t) => {
  const { start, load, results } = setUp({ window: 1_000 })
  const copy = start(false)!
  copy.onData(Buffer.alloc(1_500), 0, 1_500, false)
  t.equal(load.bytes, 500)
  copy.onRequestSent(500)
  t.equal(load.bytes, 0)
  t.same(results, [])
})

test('all copies together are bounded', async (t) => {
  const { start, load, results } = setUp()
  load.bytes = MAX_MIRRORS_BYTES
  start(false)!.onData(Buffer.alloc(1), 0, 1, false)
  t.same(results, ['too_much'])
  load.count = MAX_MIRRORS
  t.equal(start(true), undefined)
  t.same(results, ['too_much', 'too_many'])
})

test('one that takes too long is dropped', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const { start, load, results, calls } = setUp()
  start(true)
  mock.timers.tick(MIRROR_TIMEOUT_MS - 1)
  t.same(results, [])
  mock.timers.tick(1)
  t.same(results, ['slow'])
  t.same(calls, ['head end', 'ended', 'reset 8'])
  t.equal(load.count, 0)
})

test('the answer is read and dropped', async (t) => {
  const { start, results, calls } = setUp()
  const answer = new Head()
  answer.setStatus(200)
  const copy = start(true)!
  copy.onResponseHead(answer, false)
  copy.onResponseData(Buffer.alloc(10), 0, 10, false)
  t.same(calls, ['head end', 'consumed 10'])
  copy.onResponseTrailers(new Head())
  t.same(results, ['answered'])

  const early = setUp()
  early.start(false)!.onResponseHead(answer, true)
  t.same(early.calls, ['head', 'ended', 'reset 0'], 'ahead of the end of the request: the rest is for nobody')
})

test('a stream that comes late gets all that came meanwhile', async (t) => {
  const { start, calls, stream, load } = setUp({ isConnected: false, window: 100 })
  const copy = start(false)!
  copy.onData(Buffer.from('abc'), 0, 3, false)
  copy.onTrailers(new Head())
  copy.onStreamOpen(stream)
  t.same(calls, ['head', 'trailers'])
  t.equal(load.bytes, 0)
  copy.onStreamFailed(undefined)

  const gone = setUp({ isConnected: false })
  const given = gone.start(false)!
  given.giveUp()
  given.onStreamOpen(gone.stream)
  t.same([gone.results, gone.calls], [['given_up'], ['ended', 'reset 8']])
})
