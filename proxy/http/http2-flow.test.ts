import { test } from 'tap'
import { ErrorCode } from '../wire/connection-error.ts'
import { Setting } from '../wire/frame.ts'
import { Head } from '../wire/head.ts'
import { HTTP2_BOUNDS } from './http2-config.ts'
import type { Http2Stream } from './http2-stream.ts'
import {
  data,
  GET,
  goaway,
  headers,
  POST,
  padded,
  ping,
  rstStream,
  settings,
  settingsAck,
  windowUpdate,
} from './test-frames.ts'
import { TestPeer } from './test-peer.ts'

function response(status = 200): Head {
  const head = new Head()
  head.setStatus(status)
  return head
}

function request(): Head {
  const head = new Head()
  for (const [name, value] of GET) head.add(name, value)
  return head
}

function trailers(): Head {
  const head = new Head()
  head.add('grpc-status', '0')
  return head
}

function send(stream: Http2Stream, bytes: number, ends = false): number {
  return stream.sendData(Buffer.alloc(bytes), 0, bytes, ends)
}

/** A server with a request on each of `ids`, whose response heads are out. */
function serving(...ids: number[]): TestPeer {
  const peer = new TestPeer('server')
  for (const id of ids) {
    peer.send(headers(id, GET))
    peer.streams.get(id)!.sendHead(response(), false)
  }
  peer.frames()
  peer.heard = []
  return peer
}

test('content leaves as the windows allow', async (t) => {
  t.test('a shrinking SETTINGS_INITIAL_WINDOW_SIZE makes a debt', async (t) => {
    const peer = serving(1)
    const stream = peer.streams.get(1)!
    t.equal(send(stream, 1_000), 1_000)
    peer.send(settings([[Setting.initialWindowSize, 600]]))
    t.equal(stream.sendWindowBytes, -400)
    t.equal(send(stream, 50), 0, 'nothing leaves below zero')
    t.same(peer.frames(), ['DATA 1 1000', 'SETTINGS ack'])
    t.same(peer.send(windowUpdate(1, 400)).frames(), [], 'the debt is paid')
    t.same(peer.send(windowUpdate(1, 20)).frames(), ['DATA 1 20'])
    t.same(peer.send(settings([[Setting.initialWindowSize, 610]])).frames(), ['SETTINGS ack', 'DATA 1 10'])
    t.same(peer.heard, ['sent 20 1', 'sent 10 1'], 'whoever sent it hears what left later')
  })

  t.test('what the window still takes leaves at once, though the rest has to wait', async (t) => {
    const peer = serving(1)
    const stream = peer.streams.get(1)!
    t.equal(send(stream, 70_000), 65_535)
    t.equal(peer.frames().length, 4)
  })

  t.test('the end of a stream needs no window', async (t) => {
    const peer = serving(1)
    const stream = peer.streams.get(1)!
    send(stream, 1_000)
    peer.send(settings([[Setting.initialWindowSize, 0]]))
    t.equal(send(stream, 0, true), 0)
    t.same(peer.frames(), ['DATA 1 1000', 'SETTINGS ack', 'DATA 1 0 end'])
    t.equal(peer.connection.streamCount, 0)
  })

  t.test('trailers leave behind the content that waits, and nothing behind them', async (t) => {
    const peer = serving(1)
    const stream = peer.streams.get(1)!
    peer.send(settings([[Setting.initialWindowSize, 10]]))
    send(stream, 25)
    stream.sendTrailers(trailers())
    stream.sendTrailers(trailers())
    t.equal(send(stream, 5), 5, 'content behind trailers is dropped')
    t.same(peer.frames(), ['SETTINGS ack', 'DATA 1 10'])
    t.same(peer.send(windowUpdate(1, 15)).frames(), ['DATA 1 15', 'HEADERS 1 grpc-status=0 end'])
    t.equal(peer.connection.streamCount, 0)
  })

  t.test('END_STREAM goes with the last of what waits', async (t) => {
    const peer = serving(1)
    const stream = peer.streams.get(1)!
    peer.send(settings([[Setting.initialWindowSize, 10]]))
    send(stream, 25)
    send(stream, 0, true)
    t.same(peer.send(windowUpdate(1, 100)).frames(), ['SETTINGS ack', 'DATA 1 10', 'DATA 1 15 end'])
  })

  t.test('large content is cut into frames, and streams that wait take turns', async (t) => {
    const peer = serving(1, 3)
    for (const id of [1, 3]) send(peer.streams.get(id)!, 65_535, true)
    t.equal(peer.frames().filter((line) => line.startsWith('DATA 1')).length, 4, 'the first has the window for itself')
    t.same(peer.send(windowUpdate(0, 0x8000)).frames(), ['DATA 3 16384', 'DATA 3 16384'])
    peer.send(settings([[Setting.initialWindowSize, 1_000_000]]), headers(5, GET))
    peer.streams.get(5)!.sendHead(response(), false)
    send(peer.streams.get(5)!, 40_000, true)
    peer.frames()
    t.same(peer.send(windowUpdate(0, 1_000_000)).frames(), [
      'DATA 3 16384',
      'DATA 5 16384',
      'DATA 3 16383 end',
      'DATA 5 16384',
      'DATA 5 7232 end',
    ])
  })

  t.test('the kernel stops it, and its drain goes on with it', async (t) => {
    const peer = serving(1)
    const stream = peer.streams.get(1)!
    peer.transport.isWritable = false
    t.equal(send(stream, 100), 0)
    t.equal(send(stream, 0), 0)
    t.same(peer.send(windowUpdate(1, 10)).frames(), [])
    peer.transport.isWritable = true
    peer.transport.handler.onDrain()
    t.same(peer.frames(), ['DATA 1 100'])
  })

  t.test('a head larger than a frame goes on in CONTINUATION', async (t) => {
    const peer = new TestPeer('server')
    peer.send(headers(1, GET))
    const head = response()
    head.add('x-large', 'x'.repeat(40_000))
    peer.streams.get(1)!.sendHead(head, true)
    const sent = peer.transport.take()
    t.same([sent.readUIntBE(0, 3), sent[3], sent[4]], [16_384, 1, 1], 'HEADERS ends the stream, not the block')
    const second = 9 + 16_384
    t.same([sent.readUIntBE(second, 3), sent[second + 3], sent[second + 4]], [16_384, 9, 0])
    const third = 2 * second
    t.same([sent[third + 3], sent[third + 4]], [9, 4], 'the last one ends the block')
  })
})

test('credit for what was received', async (t) => {
  t.test('comes in halves of a window, as the content is consumed', async (t) => {
    const peer = new TestPeer('server')
    peer.isConsuming = false
    peer.send(headers(1, POST, 'more'), data(1, 16_384), data(1, 16_384), data(1, 16_384))
    t.same(peer.frames(), [])
    t.equal(peer.connection.retainedBytes, 3 * 16_384)
    const stream = peer.streams.get(1)!
    stream.consumed(30_000)
    t.same(peer.frames(), [])
    stream.consumed(2_768)
    t.same(peer.frames(), ['WINDOW_UPDATE 1 32768'])
  })

  t.test('padding is given back at once', async (t) => {
    const peer = new TestPeer('server')
    peer.isConsuming = false
    peer.send(headers(1, POST, 'more'))
    for (let count = 0; count < 128; count++) peer.send(padded(1, 0, 255))
    t.same(peer.frames(), ['WINDOW_UPDATE 1 32768'])
    t.equal(peer.connection.retainedBytes, 0)
  })

  t.test('the connection window opens though a slow reader consumes nothing, up to a bound', async (t) => {
    const peer = new TestPeer('server', { maxConcurrentStreams: 1_000 })
    peer.isConsuming = false
    let given = 0
    for (let id = 1; peer.connection.retainedBytes <= HTTP2_BOUNDS.maxRetainedBytes; id += 2) {
      peer.send(headers(id, POST, 'more'), data(id, 16_000), data(id, 16_000), data(id, 16_000), data(id, 16_000))
      for (const line of peer.frames()) if (line.startsWith('WINDOW_UPDATE 0')) given += Number(line.split(' ')[2])
    }
    t.ok(given > 0.8 * HTTP2_BOUNDS.maxRetainedBytes, `${given} bytes of credit`)
    for (const stream of [...peer.streams.values()].slice(0, 10)) stream.reset(ErrorCode.cancel)
    t.match(peer.frames().join(), /WINDOW_UPDATE 0/, 'a stream that is given up makes room')
  })

  t.test('nothing stays counted behind the end of a stream, however it ends', async (t) => {
    const ends: readonly [string, (peer: TestPeer, stream: Http2Stream) => void][] = [
      ['its reader consumes late', (_peer, stream) => stream.consumed(100)],
      ['its reader consumes more than there was', (_peer, stream) => stream.consumed(1_000)],
      ['we reset it', (_peer, stream) => stream.reset(ErrorCode.cancel)],
      ['the peer resets it', (peer) => peer.send(rstStream(1, ErrorCode.cancel))],
      ['the peer breaks it', (peer) => peer.send(windowUpdate(1, 0))],
      [
        'it ends in order, then its reader gives up',
        (peer, stream) => {
          peer.send(data(1, 0, 'end'))
          stream.sendHead(response(), true)
          stream.reset(ErrorCode.cancel)
        },
      ],
      ['the connection closes', (peer) => peer.transport.handler.onClose(undefined)],
    ]
    for (const [name, end] of ends) {
      const peer = new TestPeer('server')
      peer.isConsuming = false
      peer.send(headers(1, POST, 'more'), data(1, 100))
      t.equal(peer.connection.retainedBytes, 100)
      end(peer, peer.streams.get(1)!)
      t.equal(peer.connection.retainedBytes, 0, name)
    }
  })
})

test('an answer before the request ended', async (t) => {
  const peer = new TestPeer('server')
  peer.onRequest = (stream) => {
    stream.sendInformational(response(103))
    stream.sendHead(response(413), true)
  }
  t.same(peer.send(headers(1, POST, 'more')).frames(), ['HEADERS 1 :status=103', 'HEADERS 1 :status=413 end'])
  t.equal(peer.connection.streamCount, 1, 'the rest of the request may still come')
  t.same(peer.send(data(1, 10), data(1, 5, 'end')).frames(), [])
  t.same(peer.heard, ['request 1', '10 bytes 1', '5 bytes 1 end'])
  t.equal(peer.connection.streamCount, 0)
})

test('streams beyond the limit are refused, and what follows them is ignored', async (t) => {
  const peer = new TestPeer('server', { maxConcurrentStreams: 1 })
  peer.send(headers(1, GET), headers(3, POST, 'more'), data(3, 10), data(3, 10, 'end'))
  t.same(peer.frames(), ['RST_STREAM 3 REFUSED_STREAM'])
  t.same(peer.heard, ['request 1 end'])
})

test('a request head that is too large is answered 431', async (t) => {
  const peer = new TestPeer('server', { maxHeaderListBytes: 500 })
  const large = [...POST, ['x-large', 'x'.repeat(500)]] as const
  t.same(peer.send(headers(1, large, 'more'), headers(3, large)).frames(), [
    'HEADERS 1 :status=431 content-length=0 end',
    'RST_STREAM 1 NO_ERROR',
    'HEADERS 3 :status=431 content-length=0 end',
  ])
  t.same(peer.heard, [])
})

test('the peer of a busy connection is asked to use no HPACK table, a short or tableless one is not', async (t) => {
  const peer = new TestPeer('server')
  for (let id = 1; id <= 13; id += 2) peer.send(headers(id, GET))
  t.same(peer.frames(), [])
  t.same(peer.send(headers(15, GET)).frames(), ['SETTINGS headerTableSize=0'])
  t.same(peer.send(settingsAck, headers(17, GET)).frames(), [])
  t.equal(peer.heard.length, 9)
  const own = new TestPeer('server')
  const client = new TestPeer('client')
  for (let count = 0; count < 20; count++) client.open().sendHead(request(), true)
  own.send(client.transport.take())
  t.notMatch(own.frames().join(), /headerTableSize/, 'our own encoder keeps no table')
})

test('the end of a connection', async (t) => {
  t.test('a server drains in two steps: what was on its way is taken, what comes later is ignored', async (t) => {
    const peer = new TestPeer('server')
    peer.send(headers(1, GET))
    peer.connection.shutdown()
    peer.connection.shutdown()
    t.same(peer.frames(), ['GOAWAY 2147483647 NO_ERROR', 'PING weft-bye'])
    peer.send(headers(3, GET), ping('weft-bye', 1))
    t.same(peer.frames(), ['GOAWAY 3 NO_ERROR'])
    peer.send(headers(5, POST, 'more'), data(5, 10), windowUpdate(5, 1), rstStream(5, 0))
    t.same(peer.frames(), [])
    t.same(peer.heard, ['request 1 end', 'draining', 'request 3 end'])
    for (const id of [1, 3]) peer.streams.get(id)!.sendHead(response(), true)
    t.equal(peer.transport.isEnded, true, 'behind the last answer')
  })

  t.test('a server that was idle closes when its GOAWAY was read', async (t) => {
    const peer = new TestPeer('server')
    peer.connection.shutdown()
    t.equal(peer.transport.isEnded, false)
    peer.send(ping('weft-bye', 1))
    t.equal(peer.transport.isEnded, true)
  })

  t.test('a client that leaves gets its answers, then the connection ends', async (t) => {
    const peer = new TestPeer('server')
    peer.send(headers(1, GET), goaway(0, ErrorCode.noError))
    t.equal(peer.transport.isEnded, false)
    peer.streams.get(1)!.sendHead(response(), true)
    t.equal(peer.transport.isEnded, true)
    t.same(peer.frames(), ['HEADERS 1 :status=200 end', 'GOAWAY 1 NO_ERROR'])
  })

  t.test('a client that shuts down finishes its streams', async (t) => {
    const peer = new TestPeer('client')
    peer.open().sendHead(request(), true)
    peer.connection.shutdown()
    t.equal(peer.connection.canOpen, false)
    t.match(peer.frames(), [/^HEADERS 1/, 'GOAWAY 0 NO_ERROR'])
    peer.send(headers(1, [[':status', '200']]))
    t.same(peer.heard, ['draining', 'response 200 1 end'])
    t.equal(peer.transport.isEnded, true)
  })

  t.test('a stream that was handed out before the connection ended says so', async (t) => {
    const peer = new TestPeer('client')
    const late = peer.open()
    peer.send(goaway(0, ErrorCode.noError))
    late.sendHead(request(), true)
    t.same(peer.heard, ['draining', 'refused REFUSED_STREAM 0'])
  })

  t.test('in the middle of everything it fails what is in flight, once', async (t) => {
    const peer = new TestPeer('client')
    const [first, second] = [peer.open(), peer.open()]
    first.sendHead(request(), true)
    second.sendHead(request(), false)
    peer.transport.handler.onClose(new Error('read ECONNRESET'))
    peer.transport.handler.onClose(undefined)
    peer.send(headers(1, [[':status', '200']]))
    first.reset(ErrorCode.cancel)
    t.same(peer.heard, ['connection INTERNAL_ERROR 1', 'connection INTERNAL_ERROR 3', 'failed'])
    t.equal(peer.connection.streamCount, 0)
  })

  t.test('no handler is called behind a reset', async (t) => {
    const peer = new TestPeer('server')
    peer.send(headers(1, POST, 'more'))
    peer.streams.get(1)!.reset(ErrorCode.cancel)
    peer.heard = []
    peer.send(data(1, 10), headers(1, [['x-sum', '1']]), rstStream(1, 0), windowUpdate(1, 5))
    t.same(peer.heard, [])
    t.same(peer.frames(), ['RST_STREAM 1 CANCEL'])
  })
})

test('keep-alive', async (t) => {
  const peer = new TestPeer('client', { keepAliveIntervalMs: 10_000, keepAliveTimeoutMs: 3_000 })
  const { connection } = peer
  for (const nowMs of [1_000, 5_000, 10_500]) connection.tick(nowMs)
  t.same(peer.frames(), [], 'not before the interval')
  connection.tick(11_000)
  t.same(peer.frames(), ['PING weft-liv'])
  peer.send(ping('weft-liv', 1))
  connection.tick(12_000)
  connection.tick(21_000)
  t.same(peer.frames(), [], 'an answer, or anything else, starts anew')
  connection.tick(22_000)
  connection.tick(24_000)
  t.equal(peer.transport.isDestroyed, false)
  connection.tick(25_000)
  t.equal(peer.transport.isDestroyed, true)
  t.same(peer.heard, ['failed'])
})

test('a client opens no more streams than the server allows', async (t) => {
  const peer = new TestPeer('client')
  peer.send(settings([[Setting.maxConcurrentStreams, 2]]))
  const stream = peer.open()
  stream.sendHead(request(), true)
  const idle = peer.open()
  t.equal(peer.connection.canOpen, false)
  idle.reset(ErrorCode.cancel)
  t.equal(peer.connection.canOpen, true, 'one that was given up before its head counts no more')
  peer.open().sendHead(request(), true)
  t.equal(peer.connection.canOpen, false)
  peer.send(headers(1, [[':status', '204']]))
  t.equal(peer.connection.canOpen, true)
})
