/** Request smuggling by HTTP/2 requests that become HTTP/1: see http1.test.ts. */
import { type Test, test } from 'tap'
import { startPair } from '../../proxy/pair.ts'
import { checkReaders } from './check-readers.ts'
import { HTTP2_CASES, type Http2Case } from './http2-cases.ts'
import { type Coding, type Fields, fieldBlock, RawHttp2 } from './raw-http2.ts'
import { describeRequest, type OriginRequest, startRecordingOrigin } from './recording-origin.ts'

/** Each case is sent in every coding; `indexed` refers to what the stream before has put into the table. */
const CODINGS: readonly Coding[] = ['plain', 'huffman', 'indexing', 'indexed']

/** Four characters, as many as `{id}` has. */
const idOf = (at: number, coding: number) => `d${at.toString(36).padStart(2, '0')}${coding}`

test('HTTP/2 → HTTP/1', async (t) => {
  const origin = await startRecordingOrigin()
  const pair = await startPair({ appPorts: [origin.port] })
  const port = await pair.openInbound(origin.port)
  const outcomes: string[][] = []
  for (const [at, one] of HTTP2_CASES.entries()) outcomes.push(await run(port, at, one))
  pair.close()
  await origin.ended()

  // What cannot become HTTP/1 was offered in HTTP/2, in vain.
  const recordings = origin.recordings.filter(({ bytes }) => !bytes.startsWith('PRI * HTTP/2.0'))
  for (const recording of recordings) checkReaders(t, recording)
  t.same(
    origin.requests.filter(({ target }) => !/d[0-9a-z]{3}/.test(target)),
    [],
    'every request at the origin is one that was sent',
  )
  for (const [at, one] of HTTP2_CASES.entries()) {
    await t.test(one.name, async (t) => {
      for (const [coding, name] of CODINGS.entries()) {
        const [outcome, last] = outcomes[at]!.slice(2 * coding)
        t.equal(last, `200 GET /${idOf(at, coding)}-last`, `${name}: the connection goes on`)
        // An index says what the stream before it said.
        const id = idOf(at, name === 'indexed' ? coding - 1 : coding)
        checkOutcome(t, one, id, outcome!, name)
        if (name !== 'indexed') checkRequests(t, one, id, origin.requests, name)
      }
    })
  }
})

function checkOutcome(t: Test, { outcome }: Http2Case, id: string, got: string, name: string): void {
  if (outcome === 'malformed') t.equal(got, 'PROTOCOL_ERROR', `${name}: the stream is reset`)
  else if ('answers' in outcome) t.equal(got, `${outcome.answers}`, `${name}: the proxy's answer`)
  else if ('forwards' in outcome) t.equal(got, answerTo(outcome.forwards, id), `${name}: the origin's answer`)
  else t.ok(['PROTOCOL_ERROR', answerTo(outcome.getsAtMost, id)].includes(got), `${name}: ${got}`)
}

const answerTo = (request: string, id: string) => `200 ${request.replaceAll('{id}', id).split(' ', 2).join(' ')}`

function checkRequests(t: Test, one: Http2Case, id: string, requests: readonly OriginRequest[], name: string): void {
  const { outcome } = one
  const got = requests.filter(({ target }) => target.includes(id) && !target.includes('-last'))
  // The stream behind `indexing` says the same by indices.
  const times = name === 'indexing' ? 2 : 1
  const meant = (request: string) => Array.from({ length: times }, () => request.replaceAll('{id}', id))
  const lines = got.map(describeRequest)
  if (typeof outcome === 'object' && 'getsAtMost' in outcome) {
    t.ok(lines.length <= times, `${name}: no more requests than were meant`)
    t.same(lines, meant(outcome.getsAtMost).slice(0, lines.length), `${name}: and none but these`)
    return
  }
  const wanted = typeof outcome === 'object' && 'forwards' in outcome ? meant(outcome.forwards) : []
  t.same(lines, wanted, `${name}: what was meant`)
  for (const { head } of got) {
    if (one.has !== undefined) t.match(head, one.has, name)
    if (one.hasNot !== undefined) t.notMatch(head, one.hasNot, name)
  }
}

/** The outcomes of the case in each coding, and of a good request behind each. */
async function run(port: number, at: number, one: Http2Case): Promise<string[]> {
  const client = await RawHttp2.connect(port)
  const outcomes: string[] = []
  let streamId = 1
  for (const [coding, name] of CODINGS.entries()) {
    const id = idOf(at, coding)
    const withId = (text: string) => text.replaceAll('{id}', id)
    const inCase = (fields: Fields) => fields.map(([field, value]) => [withId(field), withId(value)] as const)
    const { content = [], trailers } = one
    client.headers(streamId, fieldBlock(inCase(one.fields), name), content.length === 0)
    for (const [i, text] of content.entries()) {
      const isLast = i === content.length - 1 && trailers === undefined
      client.data(streamId, name === 'indexed' ? text.replaceAll('{id}', idOf(at, coding - 1)) : withId(text), isLast)
    }
    if (trailers !== undefined)
      client.headers(streamId, fieldBlock(inCase(trailers), name === 'huffman' ? 'huffman' : 'plain'), true)
    outcomes.push(await client.outcome(streamId))
    const last: Fields = [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':authority', 'web'],
      [':path', `/${id}-last`],
      ['l5d-orig-proto', 'HTTP/1.1'],
    ]
    client.headers(streamId + 2, fieldBlock(last, 'plain'), true)
    outcomes.push(await client.outcome(streamId + 2))
    streamId += 4
  }
  client.close()
  return outcomes
}
