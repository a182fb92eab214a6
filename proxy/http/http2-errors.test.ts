import { test } from 'tap'
import { ErrorCode } from '../wire/connection-error.ts'
import { Flag, FrameType, Setting } from '../wire/frame.ts'
import { Head } from '../wire/head.ts'
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

interface Case {
  readonly name: string
  readonly send: readonly Buffer[]
  readonly frames: readonly string[]
  readonly heard?: readonly string[]
}

const REFUSED = 'GOAWAY 0 PROTOCOL_ERROR'
const OK: Fields = [[':status', '200']]
const withLength = (fields: Fields, length: string): Fields => [...fields, ['content-length', length]]
const unfinished = (id: number) => frame(FrameType.headers, 0, id, block(GET))

/** What a server answers to frames of a client; the connection was opened before. */
const SERVER: readonly Case[] = [
  { name: 'DATA on stream 0', send: [data(0, 1)], frames: [REFUSED], heard: ['failed'] },
  { name: 'HEADERS on stream 0', send: [headers(0, GET)], frames: [REFUSED] },
  { name: 'PRIORITY on stream 0', send: [frame(FrameType.priority, 0, 0, Buffer.alloc(5))], frames: [REFUSED] },
  { name: 'RST_STREAM on stream 0', send: [rstStream(0, 0)], frames: [REFUSED] },
  { name: 'SETTINGS on a stream', send: [frame(FrameType.settings, 0, 1)], frames: [REFUSED] },
  { name: 'PING on a stream', send: [frame(FrameType.ping, 0, 1, 'pingpong')], frames: [REFUSED] },
  { name: 'GOAWAY on a stream', send: [frame(FrameType.goaway, 0, 1, Buffer.alloc(8))], frames: [REFUSED] },
  {
    name: 'PUSH_PROMISE',
    send: [frame(FrameType.pushPromise, Flag.endHeaders, 1, Buffer.alloc(4))],
    frames: [REFUSED],
  },
  {
    name: 'extended CONNECT that was not announced',
    send: [
      headers(1, [
        [':method', 'CONNECT'],
        [':protocol', 'websocket'],
        [':scheme', 'http'],
        [':path', '/'],
        [':authority', 'a'],
      ]),
    ],
    frames: ['RST_STREAM 1 PROTOCOL_ERROR'],
    heard: [],
  },
  {
    name: 'SETTINGS_ENABLE_CONNECT_PROTOCOL of 2',
    send: [settings([[Setting.enableConnectProtocol, 2]])],
    frames: [REFUSED],
  },
  { name: 'CONTINUATION without HEADERS', send: [frame(FrameType.continuation, 4, 1)], frames: [REFUSED] },
  { name: 'a frame between HEADERS and CONTINUATION', send: [unfinished(1), ping()], frames: [REFUSED] },
  { name: 'CONTINUATION of another stream', send: [unfinished(1), frame(9, 4, 3)], frames: [REFUSED] },
  { name: 'DATA on an idle stream', send: [data(1, 1)], frames: [REFUSED] },
  { name: 'RST_STREAM on an idle stream', send: [rstStream(1, 0)], frames: [REFUSED] },
  { name: 'WINDOW_UPDATE on an idle stream', send: [windowUpdate(1, 1)], frames: [REFUSED] },
  { name: 'a stream with an even id', send: [headers(2, GET)], frames: [REFUSED] },
  {
    name: 'a stream below one that was opened before',
    send: [headers(5, GET), headers(3, GET)],
    frames: ['GOAWAY 5 PROTOCOL_ERROR'],
    heard: ['request 5 end', 'connection INTERNAL_ERROR 5', 'failed'],
  },
  {
    name: 'PING that is not 8 bytes',
    send: [frame(FrameType.ping, 0, 0, 'ping')],
    frames: ['GOAWAY 0 FRAME_SIZE_ERROR'],
  },
  { name: 'RST_STREAM that is not 4 bytes', send: [frame(3, 0, 1, 'abc')], frames: ['GOAWAY 0 FRAME_SIZE_ERROR'] },
  { name: 'WINDOW_UPDATE that is not 4 bytes', send: [frame(8, 0, 0, 'abc')], frames: ['GOAWAY 0 FRAME_SIZE_ERROR'] },
  { name: 'GOAWAY that is too short', send: [frame(7, 0, 0, 'abc')], frames: ['GOAWAY 0 FRAME_SIZE_ERROR'] },
  { name: 'SETTINGS of 5 bytes', send: [frame(4, 0, 0, 'abcde')], frames: ['GOAWAY 0 FRAME_SIZE_ERROR'] },
  {
    name: 'a SETTINGS acknowledgement with content',
    send: [frame(4, 1, 0, 'abcdef')],
    frames: ['GOAWAY 0 FRAME_SIZE_ERROR'],
  },
  {
    name: 'a frame larger than SETTINGS_MAX_FRAME_SIZE, before its payload is here',
    send: [frame(FrameType.data, 0, 1, Buffer.alloc(16_385)).subarray(0, 9)],
    frames: ['GOAWAY 0 FRAME_SIZE_ERROR'],
  },
  { name: 'PRIORITY that is not 5 bytes', send: [frame(2, 0, 1, 'abc')], frames: ['RST_STREAM 1 FRAME_SIZE_ERROR'] },
  { name: 'ENABLE_PUSH 2', send: [settings([[Setting.enablePush, 2]])], frames: [REFUSED] },
  { name: 'MAX_FRAME_SIZE 16383', send: [settings([[Setting.maxFrameSize, 16_383]])], frames: [REFUSED] },
  { name: 'MAX_FRAME_SIZE 2^24', send: [settings([[Setting.maxFrameSize, 1 << 24]])], frames: [REFUSED] },
  {
    name: 'INITIAL_WINDOW_SIZE 2^31',
    send: [settings([[Setting.initialWindowSize, 2 ** 31]])],
    frames: ['GOAWAY 0 FLOW_CONTROL_ERROR'],
  },
  { name: 'WINDOW_UPDATE of 0', send: [windowUpdate(0, 0)], frames: [REFUSED] },
  {
    name: 'WINDOW_UPDATE of 0 on a stream',
    send: [headers(1, GET), windowUpdate(1, 0)],
    frames: ['RST_STREAM 1 PROTOCOL_ERROR'],
    heard: ['request 1 end', 'protocol PROTOCOL_ERROR 1'],
  },
  {
    name: 'a connection window beyond 2^31-1',
    send: [windowUpdate(0, 0x7fff_ffff)],
    frames: ['GOAWAY 0 FLOW_CONTROL_ERROR'],
  },
  {
    name: 'a stream window beyond 2^31-1',
    send: [headers(1, GET), windowUpdate(1, 0x7fff_ffff)],
    frames: ['RST_STREAM 1 FLOW_CONTROL_ERROR'],
  },
  {
    name: 'a stream window beyond 2^31-1 by SETTINGS',
    send: [headers(1, GET), windowUpdate(1, 0x7fff_0000), settings([[Setting.initialWindowSize, 100_000]])],
    frames: ['GOAWAY 1 FLOW_CONTROL_ERROR'],
  },
  {
    name: 'more content than the stream window',
    send: [headers(1, POST, 'more'), data(1, 16_384), data(1, 16_384), data(1, 16_384), data(1, 16_384)],
    frames: ['RST_STREAM 1 FLOW_CONTROL_ERROR'],
  },
  {
    name: 'a padding as long as its frame',
    send: [headers(1, POST, 'more'), frame(0, 8, 1, '\x03ab')],
    frames: ['GOAWAY 1 PROTOCOL_ERROR'],
  },
  { name: 'a padding longer than its field block', send: [frame(1, 0x0c, 1, '\x7fab')], frames: [REFUSED] },
  { name: 'a field block that is no HPACK', send: [frame(1, 5, 1, '\x80')], frames: ['GOAWAY 0 COMPRESSION_ERROR'] },
  {
    name: 'a request without :path',
    send: [headers(1, GET.slice(0, 3))],
    frames: ['RST_STREAM 1 PROTOCOL_ERROR'],
    heard: [],
  },
  {
    name: 'a request with Connection',
    send: [headers(1, [...GET, ['connection', 'close']])],
    frames: ['RST_STREAM 1 PROTOCOL_ERROR'],
  },
  {
    name: 'a request that ends short of its content-length',
    send: [headers(1, withLength(POST, '3'))],
    frames: ['RST_STREAM 1 PROTOCOL_ERROR'],
  },
  {
    name: 'content shorter than its content-length',
    send: [headers(1, withLength(POST, '3'), 'more'), data(1, 2, 'end')],
    frames: ['RST_STREAM 1 PROTOCOL_ERROR'],
    heard: ['request 1', 'protocol PROTOCOL_ERROR 1'],
  },
  {
    name: 'content shorter than its content-length, ended by trailers',
    send: [headers(1, withLength(POST, '3'), 'more'), data(1, 2), headers(1, [['x-sum', '1']])],
    frames: ['RST_STREAM 1 PROTOCOL_ERROR'],
  },
  {
    name: 'content longer than its content-length',
    send: [headers(1, withLength(POST, '3'), 'more'), data(1, 4)],
    frames: ['RST_STREAM 1 PROTOCOL_ERROR'],
  },
  {
    name: 'trailers that do not end the stream',
    send: [headers(1, POST, 'more'), headers(1, [['x-sum', '1']], 'more')],
    frames: ['RST_STREAM 1 PROTOCOL_ERROR'],
  },
  {
    name: 'trailers with a pseudo-field',
    send: [headers(1, POST, 'more'), headers(1, GET.slice(0, 1))],
    frames: ['RST_STREAM 1 PROTOCOL_ERROR'],
  },
  {
    name: 'DATA behind END_STREAM',
    send: [headers(1, GET), data(1, 1)],
    frames: ['RST_STREAM 1 STREAM_CLOSED'],
    heard: ['request 1 end', 'protocol STREAM_CLOSED 1'],
  },
  {
    name: 'HEADERS behind END_STREAM',
    send: [headers(1, GET), headers(1, GET)],
    frames: ['RST_STREAM 1 STREAM_CLOSED'],
  },
  {
    name: 'HEADERS on a stream the client reset',
    send: [headers(1, GET), rstStream(1, ErrorCode.cancel), headers(1, GET)],
    frames: ['RST_STREAM 1 STREAM_CLOSED'],
    heard: ['request 1 end', 'reset CANCEL 1'],
  },
  {
    name: 'WINDOW_UPDATE on a stream that is gone',
    send: [headers(1, GET), rstStream(1, 8), windowUpdate(1, 1)],
    frames: [],
  },
  {
    name: 'a stream that depends on itself',
    send: [frame(1, 0x25, 1, Buffer.concat([Buffer.from([0, 0, 0, 1, 0]), block(GET)]))],
    frames: ['RST_STREAM 1 PROTOCOL_ERROR'],
  },
  {
    name: 'an unknown frame type and an unknown setting',
    send: [frame(0xfe, 0xff, 7, 'abc'), settings([[0xff, 1]])],
    frames: ['SETTINGS ack'],
    heard: [],
  },
  { name: 'PING', send: [ping('12345678')], frames: ['PING 12345678 ack'] },
]

/** What a client answers to frames of a server; stream 1 was opened with a POST that goes on. */
const CLIENT: readonly Case[] = [
  { name: 'a response', send: [headers(1, OK)], frames: [], heard: ['response 200 1 end'] },
  {
    name: 'informational responses before the final one',
    send: [headers(1, [[':status', '100']], 'more'), headers(1, [[':status', '103']], 'more'), headers(1, OK)],
    frames: [],
    heard: ['informational 100 1', 'informational 103 1', 'response 200 1 end'],
  },
  {
    name: 'an informational response that ends the stream',
    send: [headers(1, [[':status', '103']])],
    frames: ['RST_STREAM 1 PROTOCOL_ERROR'],
    heard: ['protocol PROTOCOL_ERROR 1'],
  },
  { name: 'a 101 response', send: [headers(1, [[':status', '101']], 'more')], frames: ['RST_STREAM 1 PROTOCOL_ERROR'] },
  { name: 'DATA before the response head', send: [data(1, 1)], frames: ['RST_STREAM 1 PROTOCOL_ERROR'] },
  { name: 'a response without :status', send: [headers(1, [['x', 'y']])], frames: ['RST_STREAM 1 PROTOCOL_ERROR'] },
  { name: 'a stream of the server', send: [headers(2, OK)], frames: [REFUSED] },
  { name: 'a stream nobody opened', send: [headers(3, OK)], frames: [REFUSED] },
  { name: 'PUSH_PROMISE', send: [frame(5, 4, 1, Buffer.alloc(4))], frames: [REFUSED] },
  { name: 'ENABLE_PUSH 1', send: [settings([[Setting.enablePush, 1]])], frames: [REFUSED] },
  {
    name: 'a response that ends short of its content-length',
    send: [headers(1, withLength(OK, '5'))],
    frames: ['RST_STREAM 1 PROTOCOL_ERROR'],
  },
  {
    name: 'a 304 that tells a content-length',
    send: [headers(1, withLength([[':status', '304']], '5'))],
    frames: [],
    heard: ['response 304 1 end'],
  },
  {
    name: 'HEADERS behind the end of a response whose request goes on',
    send: [headers(1, OK), headers(1, OK)],
    frames: ['RST_STREAM 1 STREAM_CLOSED'],
    heard: ['response 200 1 end', 'protocol STREAM_CLOSED 1'],
  },
  {
    name: 'REFUSED_STREAM',
    send: [rstStream(1, ErrorCode.refusedStream)],
    frames: [],
    heard: ['refused REFUSED_STREAM 1'],
  },
  {
    name: 'GOAWAY below the stream',
    send: [goaway(0, ErrorCode.noError)],
    frames: ['GOAWAY 0 NO_ERROR'],
    heard: ['goaway NO_ERROR 1', 'draining'],
  },
  {
    name: 'GOAWAY above the stream, then its response',
    send: [goaway(1, ErrorCode.noError), headers(1, OK)],
    frames: [],
    heard: ['draining', 'response 200 1 end'],
  },
  {
    name: 'GOAWAY twice, the second one lower',
    send: [goaway(0x7fff_ffff, ErrorCode.noError), goaway(0, ErrorCode.noError)],
    frames: ['GOAWAY 0 NO_ERROR'],
    heard: ['draining', 'goaway NO_ERROR 1'],
  },
]

test('what RFC 9113 calls an error, and what is none', async (t) => {
  for (const pieceBytes of [Number.POSITIVE_INFINITY, 1]) {
    const pieces = pieceBytes === 1 ? ', in pieces' : ''
    for (const { name, send, frames, heard } of SERVER) {
      // Byte by byte, but for what is so long that tiny reads themselves would be refused.
      const isLong = send.reduce((bytes, frame) => bytes + frame.length, 0) > 500
      const peer = new TestPeer('server', {}, isLong ? Math.max(64, pieceBytes) : pieceBytes)
      peer.isConsuming = false
      t.same(peer.send(...send).frames(), frames, `server: ${name}${pieces}`)
      if (heard !== undefined) t.same(peer.heard, heard, `server: ${name}${pieces}: what the handlers heard`)
    }
    for (const { name, send, frames, heard } of CLIENT) {
      const peer = new TestPeer('client', {}, pieceBytes)
      const head = new Head()
      for (const [field, value] of POST) head.add(field, value)
      peer.open().sendHead(head, false)
      peer.frames()
      t.same(peer.send(...send).frames(), frames, `client: ${name}${pieces}`)
      if (heard !== undefined) t.same(peer.heard, heard, `client: ${name}${pieces}: what the handlers heard`)
    }
  }
})

test('the beginning of a connection', async (t) => {
  const cases: readonly { name: string; role: 'server' | 'client'; send: Buffer[]; frames: readonly string[] }[] = [
    { name: 'a PING before SETTINGS', role: 'client', send: [ping()], frames: [REFUSED] },
    { name: 'an acknowledgement, which is no SETTINGS', role: 'client', send: [settingsAck], frames: [REFUSED] },
    { name: 'no preface', role: 'server', send: [Buffer.from('GET / HTTP/1.1\r\n')], frames: [REFUSED] },
    {
      name: 'a preface cut off by SETTINGS',
      role: 'server',
      send: [Buffer.from('PRI * HTTP/2.0\r\n'), settings()],
      frames: [REFUSED],
    },
    { name: 'preface and SETTINGS', role: 'server', send: [clientStart], frames: ['SETTINGS ack'] },
  ]
  for (const { name, role, send, frames } of cases) {
    const peer = new TestPeer(role, {}, 1, false)
    const opening = peer.frames()
    t.match(opening[0], role === 'server' ? /^SETTINGS maxConcurrentStreams/ : /^SETTINGS enablePush=0/)
    t.same(peer.send(...send).frames(), frames, name)
  }
})
