/** Every bound on what a peer may make one HTTP/2 connection hold or do; docs/threat-model.md names these tests. */
import { test } from 'tap'
import { ErrorCode } from '../wire/connection-error.ts'
import { FrameType, Setting } from '../wire/frame.ts'
import { Head } from '../wire/head.ts'
import { held } from './chunk-pool.ts'
import { HTTP2_BOUNDS } from './http2-config.ts'
import type { Http2Stream } from './http2-stream.ts'
import { PRESSURE_BOUNDS } from './memory-pressure.ts'
import {
  block,
  clientStart,
  data,
  type Fields,
  frame,
  GET,
  goaway,
  headers,
  POST,
  ping,
  rstStream,
  settings,
  settingsAck,
  windowUpdate,
} from './test-frames.ts'
import { TestPeer } from './test-peer.ts'

const { idleFrames, resets } = HTTP2_BOUNDS
const OK: Fields = [[':status', '200']]
const CALM = /^GOAWAY \d+ ENHANCE_YOUR_CALM$/
const unfinished = (id: number) => frame(FrameType.headers, 0, id, block(GET))
const repeated = (fields: Fields, field: readonly [string, string], times: number): Fields => [
  ...fields,
  ...Array.from({ length: times }, () => field),
]

interface Flood {
  readonly name: string
  readonly role?: 'client'
  readonly maxHeaderListBytes?: number
  readonly before?: readonly Buffer[]
  readonly send: (n: number) => readonly Buffer[]
  /** Sent so often without harm; once more ends the connection. */
  readonly times: number
  readonly refusal: string
}

/** Of the burst, what opened the connection and what came before has taken or given. */
const FLOODS: readonly Flood[] = [
  { name: 'PING', send: () => [ping()], times: idleFrames.burst, refusal: 'idle_frames' },
  {
    name: 'SETTINGS',
    send: () => [settings()],
    times: idleFrames.burst / HTTP2_BOUNDS.idleFramesPerSettings,
    refusal: 'idle_frames',
  },
  { name: 'acknowledged SETTINGS', send: () => [settingsAck], times: idleFrames.burst, refusal: 'idle_frames' },
  {
    name: 'empty DATA',
    before: [headers(1, POST, 'more')],
    send: () => [data(1, 0)],
    times: idleFrames.burst,
    refusal: 'idle_frames',
  },
  { name: 'PRIORITY', send: () => [frame(2, 0, 1, Buffer.alloc(5))], times: idleFrames.burst, refusal: 'idle_frames' },
  { name: 'unknown frames', send: () => [frame(0xbb, 0, 0)], times: idleFrames.burst, refusal: 'idle_frames' },
  {
    name: 'GOAWAY',
    before: [headers(1, POST, 'more')],
    send: () => [goaway(0, 0)],
    times: idleFrames.burst,
    refusal: 'idle_frames',
  },
  {
    name: 'WINDOW_UPDATE of one byte',
    before: [headers(1, GET)],
    send: () => [windowUpdate(1, 1)],
    times: idleFrames.burst,
    refusal: 'idle_frames',
  },
  {
    name: 'RST_STREAM of a stream that is gone',
    before: [headers(1, GET), rstStream(1, 8)],
    send: () => [rstStream(1, 8)],
    times: idleFrames.burst,
    refusal: 'idle_frames',
  },
  {
    name: 'DATA for a stream the client reset',
    before: [headers(1, POST, 'more'), rstStream(1, 8)],
    send: () => [data(1, 0)],
    times: 1,
    refusal: 'stream_closed',
  },
  {
    name: 'frames in tiny pieces',
    send: () => [ping().subarray(0, 8), ping().subarray(8)],
    times: idleFrames.burst / 2,
    refusal: 'idle_frames',
  },
  {
    name: 'CONTINUATION',
    before: [unfinished(1)],
    send: () => [frame(9, 0, 1)],
    times: HTTP2_BOUNDS.maxContinuations,
    refusal: 'continuations',
  },
  {
    name: 'a field block without end',
    before: [unfinished(1)],
    send: () => [frame(9, 0, 1, Buffer.alloc(200))],
    times: 5,
    refusal: 'continuations',
  },
  {
    name: 'SETTINGS that change every window again and again',
    send: (n) => [
      settings(
        Array.from({ length: n < 1 ? HTTP2_BOUNDS.maxSettings : HTTP2_BOUNDS.maxSettings + 1 }, () => [
          Setting.initialWindowSize,
          1,
        ]),
      ),
    ],
    times: 1,
    refusal: 'settings',
  },
  {
    name: 'rapid reset',
    send: (n) => [headers(2 * n + 1, GET), rstStream(2 * n + 1, ErrorCode.cancel)],
    times: resets.burst,
    refusal: 'resets',
  },
  {
    name: 'rapid reset of heads with 196 fields more, which count seven times',
    send: (n) => [
      headers(2 * n + 1, [...GET, ...Array.from({ length: 196 }, (_, at): [string, string] => [`x-${at}`, '1'])]),
      rstStream(2 * n + 1, ErrorCode.cancel),
    ],
    times: Math.floor(resets.burst / 7),
    maxHeaderListBytes: 65_536,
    refusal: 'resets',
  },
  {
    name: 'resets provoked by WINDOW_UPDATE of 0',
    send: (n) => [headers(2 * n + 1, GET), windowUpdate(2 * n + 1, 0)],
    times: resets.burst,
    refusal: 'resets',
  },
  {
    name: 'resets provoked by content behind the end',
    send: (n) => [headers(2 * n + 1, GET), data(2 * n + 1, 1)],
    times: resets.burst,
    refusal: 'resets',
  },
  {
    name: 'resets provoked by malformed requests',
    send: (n) => [headers(2 * n + 1, GET.slice(1))],
    times: resets.burst,
    refusal: 'resets',
  },
  {
    name: 'resets provoked by a content-length without content',
    send: (n) => [headers(2 * n + 1, [...GET, ['content-length', '1']])],
    times: resets.burst,
    refusal: 'resets',
  },
  {
    name: 'heads that are too large',
    send: (n) => [headers(2 * n + 1, repeated(GET, ['x', 'y'.repeat(7)], 16))],
    times: resets.burst / HTTP2_BOUNDS.resetsPerLargeHead,
    refusal: 'resets',
  },
  {
    name: 'PING of a server',
    role: 'client',
    send: () => [ping()],
    times: idleFrames.burst,
    refusal: 'idle_frames',
  },
  {
    name: 'informational responses of a server to a stream that is gone',
    role: 'client',
    before: [rstStream(1, 8)],
    send: () => [headers(1, [[':status', '103']], 'more')],
    times: idleFrames.burst,
    refusal: 'idle_frames',
  },
]

function peerOf({ role, before = [], maxHeaderListBytes = role === undefined ? 600 : 65_536 }: Flood): TestPeer {
  const peer = new TestPeer(role ?? 'server', { maxHeaderListBytes })
  // What the opening took of the burst comes back with time.
  peer.connection.tick(0)
  if (role === 'client') {
    const head = new Head()
    for (const [field, value] of POST) head.add(field, value)
    peer.open().sendHead(head, false)
  }
  peer.send(...before)
  peer.connection.tick(1_000)
  return peer
}

test('a peer may do much, but not for ever', async (t) => {
  for (const flood of FLOODS) {
    const { name, send, times, refusal } = flood
    const peer = peerOf(flood)
    for (let n = 0; n < times; n++) for (const bytes of send(n)) peer.send(bytes)
    const isMild = peer.transport.isEnded
    if (refusal !== 'stream_closed') t.notOk(isMild, `${name}: ${times} times`)
    for (let n = times; n < times + 4 && refusal !== 'stream_closed'; n++)
      for (const bytes of send(n)) if (!peer.transport.isEnded) peer.send(bytes)
    if (refusal !== 'stream_closed') t.match(peer.frames().at(-1), CALM, `${name}: a few times more`)
    t.match(peer.refusals.at(-1), refusal, `${name}: the reason`)
    t.equal(peer.refusals.filter((line) => line.endsWith(' first')).length, 1, `${name}: one line for the log`)
  }
})

test('what a peer may do for ever', async (t) => {
  const seconds = 100
  const cases: readonly { name: string; perSecond: number; send: (n: number) => Buffer[]; before?: Buffer[] }[] = [
    { name: 'PING at the rate that earns itself', perSecond: idleFrames.perSecond, send: () => [ping()] },
    {
      name: 'PING for every small message, as gRPC measures its bandwidth',
      perSecond: 1_000,
      before: [headers(1, POST, 'more')],
      send: () => [data(1, 25), ping(), settingsAck],
    },
    {
      name: 'a reset at once, at the rate that earns itself',
      perSecond: resets.perSecond,
      send: (n) => [headers(2 * n + 1, GET), rstStream(2 * n + 1, ErrorCode.cancel)],
    },
  ]
  for (const { name, perSecond, send, before = [] } of cases) {
    const peer = new TestPeer('server')
    peer.send(...before)
    let n = 0
    for (let second = 0; second < seconds; second++) {
      for (let count = 0; count < perSecond; count++) peer.send(...send(n++))
      peer.connection.tick(second * 1_000)
    }
    t.notMatch(peer.frames().at(-1), /GOAWAY/, name)
    t.same(peer.refusals, [], `${name}: nothing is refused`)
  }

  t.test('every stream may be given up at once when its deadline is over', async (t) => {
    const peer = new TestPeer('server')
    const ids = Array.from({ length: 1_000 }, (_, n) => 2 * n + 1)
    peer.send(...ids.map((id) => headers(id, GET)))
    peer.connection.tick(1_000)
    peer.send(...ids.map((id) => rstStream(id, ErrorCode.cancel)))
    t.same(peer.refusals, [])
  })

  t.test('a long download, its reader giving credit for each piece', async (t) => {
    const peer = new TestPeer('server')
    const stream = answering(peer, 1)
    for (const bytes of [20, 200, 1_000]) {
      const piece = Buffer.alloc(bytes)
      for (let count = 0; count < 2 * idleFrames.burst; count++) {
        stream.sendData(piece, 0, piece.length, false)
        peer.send(windowUpdate(1, piece.length), windowUpdate(0, piece.length))
      }
    }
    t.notMatch(peer.frames().at(-1), /GOAWAY/)
  })
})

test('a reader of one byte at a time is told to stop', async (t) => {
  const peer = new TestPeer('server')
  peer.send(settings([[Setting.initialWindowSize, 0]]))
  const stream = answering(peer, 1)
  stream.sendData(Buffer.alloc(10_000), 0, 10_000, true)
  let reads = 0
  for (; reads < 2 * idleFrames.burst && !peer.transport.isEnded; reads++) peer.send(windowUpdate(1, 1))
  t.ok(reads > 0.9 * idleFrames.burst && reads <= idleFrames.burst, `after ${reads} bytes`)
  t.match(peer.frames().at(-1), CALM)
})

test('streams of a peer', async (t) => {
  const peer = new TestPeer('server', { maxConcurrentStreams: 2 })
  peer.send(headers(1, GET), headers(3, GET), headers(5, GET))
  t.same(peer.frames(), ['RST_STREAM 5 REFUSED_STREAM'], 'one too many is refused unprocessed')
  t.same(peer.refusals, ['stream_limit first'])
})

test('informational responses', async (t) => {
  const peer = new TestPeer('client')
  const head = new Head()
  for (const [field, value] of GET) head.add(field, value)
  peer.open().sendHead(head, true)
  peer.frames()
  for (let count = 0; count < HTTP2_BOUNDS.maxInformational; count++)
    peer.send(headers(1, [[':status', '103']], 'more'))
  t.notMatch(peer.frames().join(), 'RST_STREAM')
  peer.send(headers(1, [[':status', '103']], 'more'))
  t.same(peer.frames(), ['RST_STREAM 1 ENHANCE_YOUR_CALM'])
  t.match(peer.heard.at(-1), 'protocol ENHANCE_YOUR_CALM 1')
  t.same(peer.refusals, ['informational first'])
})

test('a peer that makes us answer and does not read', async (t) => {
  const peer = new TestPeer('server')
  Object.defineProperty(peer.transport, 'pendingBytes', { get: () => HTTP2_BOUNDS.maxUnsentBytes + 1 })
  t.match(peer.send(headers(1, GET)).frames(), [/ENHANCE_YOUR_CALM/])
  t.same(peer.heard, ['failed'], 'its request is not taken')
  t.same(peer.refusals, ['unread_answers first'])
})

test('content that its reader leaves lying', async (t) => {
  const piece = Buffer.alloc(60_000)
  const unread = (peer: TestPeer, streams: number): number => {
    const ids = Array.from({ length: streams }, (_, n) => 2 * n + 1)
    peer.send(...ids.map((id) => headers(id, GET)))
    for (const id of ids) answer(peer, id).sendData(piece, 0, piece.length, false)
    return peer.heard.filter((line) => line.startsWith('protocol CANCEL')).length
  }
  const allowed = PRESSURE_BOUNDS.perConnectionBytes / piece.length

  t.test('is bounded for one connection', async (t) => {
    const before = held.bytes
    const peer = new TestPeer('server')
    peer.send(settings([[Setting.initialWindowSize, 0]]))
    const refused = unread(peer, 200)
    t.equal(refused, 200 - Math.floor(allowed), 'the streams beyond the bound are reset')
    t.equal(peer.refusals.filter((line) => line.startsWith('unread_content')).length, refused)
    t.ok(held.bytes - before <= PRESSURE_BOUNDS.perConnectionBytes * 1.1)
    peer.connection.onClose(undefined)
    t.equal(held.bytes, before, 'and all is given back')
  })

  t.test('as fast as it is taken it may be more', async (t) => {
    const peer = new TestPeer('server')
    peer.send(windowUpdate(0, 0x4000_0000))
    const download = answering(peer, 999)
    peer.send(windowUpdate(999, 0x4000_0000))
    for (let count = 0; count < 20; count++) download.sendData(piece, 0, piece.length, false)
    const before = peer.heard.length
    peer.send(settings([[Setting.initialWindowSize, 0]]))
    for (let n = 0; n < 200; n++) {
      peer.send(headers(1_001 + 2 * n, GET))
      answer(peer, 1_001 + 2 * n).sendData(piece, 0, piece.length, false)
    }
    t.notMatch(peer.heard.slice(before).join(), 'protocol')
    peer.connection.onClose(undefined)
  })

  t.test('goes at once when the process holds too much', async (t) => {
    const peer = new TestPeer('server')
    peer.send(settings([[Setting.initialWindowSize, 0]]))
    held.bytes += PRESSURE_BOUNDS.fullBytes
    t.equal(unread(peer, 3), 3)
    held.bytes -= PRESSURE_BOUNDS.fullBytes
    peer.connection.onClose(undefined)
  })

  t.test('ends its stream after a while, and only that one', async (t) => {
    const peer = new TestPeer('server')
    const bounds = { headMs: 30_000, contentMs: 300_000, unreadMs: 3_000, idleMs: 3_600_000 }
    peer.send(settings([[Setting.initialWindowSize, 0]]))
    peer.send(headers(1, GET), headers(3, GET))
    answer(peer, 1).sendData(piece, 0, 10, false)
    peer.frames()
    for (let second = 1; second <= 2; second++) peer.connection.tick(second * 1_000, bounds)
    t.same(peer.frames(), [])
    peer.send(windowUpdate(1, 5))
    peer.frames()
    for (let second = 3; second <= 4; second++) peer.connection.tick(second * 1_000, bounds)
    t.same(peer.frames(), [], 'five bytes in time buy time')
    peer.connection.tick(5_000, bounds)
    t.same(peer.frames(), ['RST_STREAM 1 CANCEL'])
    t.same(peer.refusals, ['unread_content first'])
  })

  t.test('ends the connection when its kernel takes nothing', async (t) => {
    const peer = new TestPeer('server')
    peer.transport.isWritable = false
    for (let second = 0; second <= 300; second++) peer.connection.tick(second * 1_000)
    t.match(peer.frames(), [CALM])
    t.same(peer.refusals, ['unread_content first'])
  })

  t.test('ends it sooner when there is no room', async (t) => {
    const peer = new TestPeer('server')
    peer.transport.isWritable = false
    for (let second = 0; second <= 5; second++) peer.connection.tick(second * 1_000, undefined, true)
    t.match(peer.frames(), [CALM])
  })
})

test('what does not come in time', async (t) => {
  const cases: readonly { name: string; isOpened?: boolean; send: Buffer[]; seconds: number; refusal: string }[] = [
    { name: 'the preface', isOpened: false, send: [], seconds: 30, refusal: 'slow_head first' },
    {
      name: 'the rest of the preface',
      isOpened: false,
      send: [clientStart.subarray(0, 9)],
      seconds: 30,
      refusal: 'slow_head first',
    },
    { name: 'SETTINGS', isOpened: false, send: [clientStart.subarray(0, 24)], seconds: 30, refusal: 'slow_head first' },
    { name: 'the rest of a frame', send: [ping().subarray(0, 16)], seconds: 30, refusal: 'slow_head first' },
    { name: 'the rest of a field block', send: [unfinished(1)], seconds: 30, refusal: 'slow_head first' },
    { name: 'the first request', send: [], seconds: 3_600, refusal: 'idle first' },
    { name: 'the next request', send: [headers(1, GET), rstStream(1, 8)], seconds: 3_600, refusal: 'idle first' },
  ]
  for (const { name, isOpened = true, send, seconds, refusal } of cases) {
    const peer = new TestPeer('server', {}, Number.POSITIVE_INFINITY, isOpened)
    peer.send(...send)
    peer.frames()
    for (let second = 0; second < seconds; second++) peer.connection.tick(second * 1_000)
    t.same(peer.refusals, [], `${name}: not before ${seconds} s`)
    peer.connection.tick(seconds * 1_000)
    t.same(peer.refusals, [refusal], `${name}: after ${seconds} s`)
    t.match(peer.frames().join(), 'GOAWAY', `${name}: it is told`)
  }

  t.test('a field block is not kept open by its pieces', async (t) => {
    const peer = new TestPeer('server')
    peer.send(unfinished(1))
    for (let second = 0; second <= 30; second++) {
      peer.connection.tick(second * 1_000)
      if (!peer.transport.isEnded) peer.send(frame(9, 0, 1))
    }
    t.same(peer.refusals, ['slow_head first'])
  })

  t.test('streams may be silent for ever', async (t) => {
    const peer = new TestPeer('server')
    peer.send(headers(1, POST, 'more'))
    for (let second = 0; second <= 100_000; second += 10) peer.connection.tick(second * 1_000)
    t.same(peer.refusals, [])
  })

  t.test('connections to a server may be idle for ever', async (t) => {
    const peer = new TestPeer('client')
    for (let second = 0; second <= 100_000; second += 10) peer.connection.tick(second * 1_000)
    t.same(peer.refusals, [])
  })
})

/** Stream `id` of the peer, its response begun. */
function answering(peer: TestPeer, id: number): Http2Stream {
  peer.send(headers(id, GET))
  return answer(peer, id)
}

function answer(peer: TestPeer, id: number): Http2Stream {
  const stream = peer.streams.get(id)!
  const head = new Head()
  for (const [field, value] of OK) head.add(field, value)
  stream.sendHead(head, false)
  return stream
}
