import { test } from 'tap'
import { MessageReader } from './grpc-message.ts'
import { codeOfHttpStatus, decodeGrpcMessage, describeStatus, GrpcStatus, parseGrpcStatus } from './grpc-status.ts'

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

test('MessageReader', async (t) => {
  const cases = [
    { name: 'one message', bytes: '00 00000002 abcd', messages: ['abcd'] },
    { name: 'an empty message is a message', bytes: '00 00000000', messages: [''] },
    { name: 'two in one frame', bytes: '00 00000001 aa 00 00000001 bb', messages: ['aa', 'bb'] },
    { name: 'empty ones between others', bytes: '00 00000000 00 00000001 aa 00 00000000', messages: ['', 'aa', ''] },
  ]
  for (const { name, bytes, messages } of cases) {
    for (let size = 1; size <= hex(bytes).length; size++) {
      const reader = new MessageReader()
      const found: string[] = []
      const buf = hex(bytes)
      for (let at = 0; at < buf.length; at += size)
        reader.push(buf, at, Math.min(at + size, buf.length), (message) =>
          found.push(Buffer.from(message).toString('hex')),
        )
      t.same(found, messages, `${name}, in pieces of ${size}`)
      t.equal(reader.isBetweenMessages, true)
    }
  }
  const half = new MessageReader()
  half.push(hex('00 00000002 ab'), 0, 6, () => t.fail('not complete'))
  t.equal(half.isBetweenMessages, false)
  t.throws(() => new MessageReader().push(hex('01 00000000'), 0, 5, () => {}), {
    code: GrpcStatus.internal,
    message: /compressed/,
  })
  t.throws(() => new MessageReader().push(hex('00 00400001'), 0, 5, () => {}), {
    code: GrpcStatus.resourceExhausted,
    message: /4194305 bytes; the limit is 4194304/,
  })
})

test('statuses', async (t) => {
  t.equal(parseGrpcStatus('5'), GrpcStatus.notFound)
  t.equal(parseGrpcStatus('17'), GrpcStatus.unknown)
  for (const text of [undefined, '', '-1', '1.0', 'OK', '1000']) t.equal(parseGrpcStatus(text), undefined)
  t.equal(describeStatus(5, 'no such pod'), 'NOT_FOUND: no such pod')
  t.equal(describeStatus(14, ''), 'UNAVAILABLE')
  t.equal(decodeGrpcMessage('caf%C3%A9 %'), 'caf%C3%A9 %')
  t.equal(decodeGrpcMessage('caf%C3%A9'), 'café')
  t.equal(decodeGrpcMessage('a%0Ab%00c'), 'a b c', 'one line in a log')
  t.equal(decodeGrpcMessage('x'.repeat(9_999)).length, 500)
  t.equal(codeOfHttpStatus(503), GrpcStatus.unavailable)
  t.equal(codeOfHttpStatus(200), GrpcStatus.unknown)
})
