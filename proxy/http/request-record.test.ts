import { test } from 'tap'
import { Head } from '../wire/head.ts'
import { RequestRecord, takeHead } from './request-record.ts'

function head(path: string): Head {
  const made = new Head()
  made.add(':path', path)
  return made
}

test('what was sent of a request is kept for another attempt', async (t) => {
  const record = new RequestRecord(head('/a'), false)
  const shown = Buffer.from('content')
  record.push(shown, 0, 7, false, 100)
  shown.fill(0)
  record.push(shown, 0, 0, true, 100)
  t.same(record.chunks.map(String), ['content'], 'as a copy')
  t.match(record, { bytes: 7, isEnded: true, isComplete: true })
  t.equal(record.head.valueAt(0), '/a')

  record.limit(6)
  t.match(record, { isComplete: false, chunks: [] }, 'more than is allowed is not worth keeping')
  record.push(Buffer.from('x'), 0, 1, true, 100)
  t.same(record.chunks, [], 'half a request neither')
})

test('a record that is released twice gives its head back once', async (t) => {
  const record = new RequestRecord(head('/a'), true)
  record.release()
  record.release()
  t.not(takeHead(), takeHead(), 'two messages never share a head')
})
