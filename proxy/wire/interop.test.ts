import { connect, type IncomingHttpHeaders } from 'node:http2'
import { duplexPair } from 'node:stream'
import { test } from 'tap'
import { CLIENT_PREFACE, Flag, FrameType, Setting } from './frame.ts'
import { readFrames } from './frame-reader.ts'
import { writeFrameHeader, writeSettings, writeSettingsAck } from './frame-writer.ts'
import { Head } from './head.ts'
import { HpackDecoder } from './hpack-decoder.ts'
import { writeHpackBlock, writeTableSizeZero } from './hpack-encoder.ts'
import { MemoryOutput } from './output.ts'

/** A server of frames and blocks alone: answers each request with the fields it saw. `tableBytes` is what it announces. */
function serve(side: NodeJS.ReadWriteStream, tableBytes: number): { acknowledged: boolean } {
  const decoder = new HpackDecoder(4096)
  const head = new Head()
  const state = { acknowledged: false, hasAnswered: false }
  let unread = Buffer.alloc(0)
  let hasPreface = false
  const send = (write: (out: MemoryOutput) => void) => {
    const out = new MemoryOutput()
    write(out)
    side.write(out.taken())
  }
  const answer = (streamId: number) => {
    const response = new Head()
    response.status = 200
    for (let index = 0; index < head.count; index++) {
      const name = head.nameAt(index)
      response.add(name.startsWith(':') ? `seen-${name.slice(1)}` : `seen-${name}`, head.valueAt(index))
    }
    send((out) => {
      const block = new MemoryOutput()
      if (!state.hasAnswered) writeTableSizeZero(block)
      writeHpackBlock(block, response)
      state.hasAnswered = true
      writeFrameHeader(out, block.at, FrameType.headers, Flag.endHeaders | Flag.endStream, streamId)
      out.ensure(block.at)
      block.buf.copy(out.buf, out.at, 0, block.at)
      out.at += block.at
    })
  }
  side.on('data', (data: Buffer) => {
    unread = Buffer.concat([unread, data])
    if (!hasPreface) {
      if (unread.length < CLIENT_PREFACE.length) return
      hasPreface = true
      unread = unread.subarray(CLIENT_PREFACE.length)
      send((out) => writeSettings(out, [[Setting.headerTableSize, tableBytes]]))
    }
    const consumed = readFrames(unread, 0, unread.length, 16_384, {
      onFrame(type, flags, streamId, buf, start, end) {
        if (type === FrameType.settings) {
          if ((flags & Flag.ack) === 0) return send(writeSettingsAck)
          decoder.setMaxTableBytes(tableBytes)
          state.acknowledged = true
        }
        if (type !== FrameType.headers) return
        const at = (flags & Flag.priority) === 0 ? start : start + 5
        decoder.decode(head, buf, at, end, 'request')
        if (head.malformed !== undefined) throw new Error(head.malformed)
        answer(streamId)
      },
    })
    unread = unread.subarray(consumed)
  })
  return state
}

for (const tableBytes of [0, 256, 4096]) {
  test(`nghttp2 understands us and we understand it, a table of ${tableBytes} bytes`, async (t) => {
    const [clientSide, serverSide] = duplexPair()
    const state = serve(serverSide, tableBytes)
    const client = connect('http://web.shop:80', { createConnection: () => clientSide })
    for (let round = 0; round < 30; round++) {
      const fields = {
        ':path': `/items/${round}?x=${'y'.repeat(round * 7)}`,
        'x-request-id': `id-${round}-${'z'.repeat(round)}`,
        authorization: `Bearer ${'token.'.repeat(40)}`,
        cookie: 'a=1; b=2',
        'x-odd': '~^}{|\\ "quoted"',
        'user-agent': 'test/1.0',
      }
      const seen = await new Promise<IncomingHttpHeaders>((resolve, reject) => {
        const request = client.request(fields)
        request.on('response', (headers) => resolve(headers)).on('error', reject)
        request.resume().end()
      })
      t.match(seen, {
        ':status': 200,
        'seen-path': fields[':path'],
        'seen-authority': 'web.shop:80',
        'seen-x-request-id': fields['x-request-id'],
        'seen-authorization': fields.authorization,
        'seen-x-odd': fields['x-odd'],
        'seen-user-agent': 'test/1.0',
      })
    }
    t.ok(state.acknowledged)
    client.destroy()
  })
}
