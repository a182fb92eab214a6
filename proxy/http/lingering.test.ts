import { test } from 'tap'
import { Lingering, MAX_LINGERING_BYTES } from './lingering.ts'
import { MemoryTransport } from './memory-transport.ts'

test('a connection that is over reads on for a while', async (t) => {
  const transport = new MemoryTransport()
  const heard: string[] = []
  transport.handler = {
    onBytes: () => void heard.push('bytes'),
    onEnd: () => void heard.push('end'),
    onDrain: () => void heard.push('drain'),
    onClose: () => void heard.push('close'),
  }
  new Lingering(transport)
  const piece = Buffer.alloc(65_536)
  for (let bytes = 0; bytes < MAX_LINGERING_BYTES; bytes += piece.length)
    transport.handler.onBytes(piece, 0, piece.length)
  t.equal(transport.isPaused, false)
  transport.handler.onBytes(piece, 0, 1)
  t.equal(transport.isPaused, true, 'but not for ever')
  transport.handler.onDrain()
  transport.handler.onEnd()
  transport.handler.onClose(undefined)
  t.same(heard, ['drain', 'end', 'close'], 'bytes are dropped, the rest is heard')
})
