/** What RFC 9113 asks of a sender, and of a receiver that must go on: frames in, frames out, and what handlers hear. */
import { test } from 'tap'
import { CLIENT_PREFACE, Flag, FrameType, Setting } from '../wire/frame.ts'
import { Head } from '../wire/head.ts'
import {
  block,
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
} from './test-frames.ts'
import { TestPeer } from './test-peer.ts'

const OK: Fields = [[':status', '200']]

function headOf(fields: Fields): Head {
  const head = new Head()
  for (const [name, value] of fields) head.add(name, value)
  return head
}

function response(): Head {
  const head = new Head()
  head.setStatus(200)
  return head
}

test('the beginning, RFC 9113 §3.4', async (t) => {
  t.test('a client begins with the preface and SETTINGS that turn push off', async (t) => {
    const peer = new TestPeer('client', {}, 1, false)
    const bytes = peer.transport.take()
    t.ok(bytes.subarray(0, CLIENT_PREFACE.length).equals(CLIENT_PREFACE))
    t.equal(bytes[CLIENT_PREFACE.length + 3], FrameType.settings)
    t.equal(bytes.readUInt16BE(CLIENT_PREFACE.length + 9), Setting.enablePush)
    t.equal(bytes.readUInt32BE(CLIENT_PREFACE.length + 11), 0)
  })
  t.test('a server begins with SETTINGS that say nothing of push', async (t) => {
    const [first] = new TestPeer('server', {}, 1, false).frames()
    t.match(first, /^SETTINGS /)
    t.notMatch(first, /enablePush/)
  })
})

test('streams of a client have odd ids that grow, RFC 9113 §5.1.1', async (t) => {
  const peer = new TestPeer('client')
  for (let i = 0; i < 3; i++) peer.open().sendHead(headOf(GET), true)
  t.match(peer.frames().join(), /HEADERS 1 .*HEADERS 3 .*HEADERS 5 /)
})

test('a peer may say more than is known, RFC 9113 §4.1, §5.5', async (t) => {
  t.test('flags without a meaning are ignored', async (t) => {
    const peer = new TestPeer('server')
    peer.send(frame(FrameType.headers, 0xd2 | Flag.endHeaders | Flag.endStream, 1, block(GET)))
    t.same(peer.heard, ['request 1 end'])
    t.same(peer.send(frame(FrameType.ping, 0xfe, 0, '12345678')).frames(), ['PING 12345678 ack'])
  })
  t.test('the reserved bit of a stream id is ignored', async (t) => {
    const peer = new TestPeer('server')
    const bytes = headers(1, GET)
    bytes[5]! |= 0x80
    peer.send(bytes)
    t.same(peer.heard, ['request 1 end'])
  })
  t.test('an error code nobody knows ends a stream like any other', async (t) => {
    const peer = new TestPeer('server')
    t.same(peer.send(headers(1, POST, 'more'), rstStream(1, 0xdeadbeef), headers(3, GET)).frames(), [])
    t.match(peer.heard.join(), /request 1,reset .* 1,request 3 end/)
  })
})

test('settings, RFC 9113 §6.5', async (t) => {
  t.test('are taken in their order, the last one holds', async (t) => {
    const peer = new TestPeer('server')
    const both = settings([
      [Setting.initialWindowSize, 0],
      [Setting.initialWindowSize, 10],
    ])
    t.same(peer.send(both, headers(1, GET)).frames(), ['SETTINGS ack'])
    const stream = peer.streams.get(1)!
    stream.sendHead(response(), false)
    stream.sendData(Buffer.alloc(20), 0, 20, true)
    t.same(peer.frames(), ['HEADERS 1 :status=200', 'DATA 1 10'])
  })
})

test('an end is an end, RFC 9113 §5.1, §5.4', async (t) => {
  t.test('RST_STREAM is not answered', async (t) => {
    const peer = new TestPeer('server')
    t.same(peer.send(headers(1, POST, 'more'), rstStream(1, 8), rstStream(1, 8)).frames(), [])
  })
  t.test('an acknowledged PING is not answered', async (t) => {
    t.same(new TestPeer('server').send(ping('12345678', Flag.ack)).frames(), [])
  })
  t.test('nothing leaves on a stream that the peer reset', async (t) => {
    const peer = new TestPeer('server')
    peer.send(headers(1, POST, 'more'), rstStream(1, 8))
    const stream = peer.streams.get(1)!
    stream.sendHead(response(), false)
    stream.sendData(Buffer.alloc(5), 0, 5, true)
    t.same(peer.frames(), [])
  })
  t.test('nothing leaves on a stream that we reset or ended', async (t) => {
    const peer = new TestPeer('server')
    peer.send(headers(1, POST, 'more'), headers(3, POST, 'more'))
    const [first, second] = [peer.streams.get(1)!, peer.streams.get(3)!]
    first.reset(8)
    first.sendHead(response(), true)
    second.sendHead(response(), true)
    second.sendData(Buffer.alloc(5), 0, 5, true)
    second.sendTrailers(headOf([['x', 'y']]))
    t.same(peer.frames(), ['RST_STREAM 1 CANCEL', 'HEADERS 3 :status=200 end'])
  })
  t.test('a connection error closes the connection behind its GOAWAY', async (t) => {
    const peer = new TestPeer('server')
    t.same(peer.send(headers(1, POST, 'more'), data(0, 1)).frames(), ['GOAWAY 1 PROTOCOL_ERROR'])
    t.ok(peer.transport.isEnded || peer.transport.isDestroyed)
    t.same(peer.send(headers(3, GET)).frames(), [], 'and hears nothing more')
  })
  t.test('a response stays one, though its stream is reset with NO_ERROR behind it', async (t) => {
    const peer = new TestPeer('client')
    peer.open().sendHead(headOf(POST), false)
    peer.frames()
    peer.send(headers(1, OK, 'more'), data(1, 5, 'end'), rstStream(1, 0))
    t.same(peer.heard.slice(0, 2), ['response 200 1', '5 bytes 1 end'])
  })
  t.test('no stream is opened behind a GOAWAY', async (t) => {
    const peer = new TestPeer('client')
    const stream = peer.open()
    peer.send(goaway(0x7fff_ffff, 0))
    stream.sendHead(headOf(GET), true)
    t.notMatch(peer.frames().join(), /HEADERS/)
  })
})

test('what is thrown away still counts, RFC 9113 §5.1, §6.8', async (t) => {
  /** A literal that is added to the table, and the index it then has. */
  const added = Buffer.concat([Buffer.from([0x40, 3]), Buffer.from('x-a'), Buffer.from([1]), Buffer.from('b')])
  const indexed = Buffer.from([0xbe])
  t.test('field blocks of streams that are gone keep the table in step', async (t) => {
    const peer = new TestPeer('server')
    peer.send(headers(1, POST, 'more'))
    peer.streams.get(1)!.reset(8)
    const late = frame(FrameType.headers, Flag.endHeaders | Flag.endStream, 1, added)
    const next = frame(FrameType.headers, Flag.endHeaders | Flag.endStream, 3, Buffer.concat([block(GET), indexed]))
    t.same(peer.send(late, next).frames(), ['RST_STREAM 1 CANCEL'])
    t.equal(peer.heard.at(-1), 'request 3 end')
  })
  t.test('content of streams that are gone counts towards the window of the connection', async (t) => {
    const peer = new TestPeer('server')
    peer.send(headers(1, POST, 'more'))
    peer.streams.get(1)!.reset(8)
    peer.frames()
    const frames: string[] = []
    for (let i = 0; i < 70; i++) frames.push(...peer.send(data(1, 16_384)).frames())
    t.match(frames.join(), /WINDOW_UPDATE 0 /, 'and is given back')
  })
})
