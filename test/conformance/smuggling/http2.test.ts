/** Request smuggling by HTTP/2 requests that become HTTP/1: see http1.test.ts. */
import { test } from 'tap'
import { startPair } from '../../proxy/pair.ts'
import { problemsOf } from './careless-readers.ts'
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
  t.same(recordings.flatMap(problemsOf), [], 'every reader finds the same requests at the origin')
  t.same(
    origin.requests.filter(({ target }) => !/d[0-9a-z]{3}/.test(target)),
    [],
    'every request at the origin is one that was sent',
  )
  for (const [at, one] of HTTP2_CASES.entries()) {
    const problems: string[] = []
    for (const [coding, name] of CODINGS.entries()) {
      const [outcome, last] = outcomes[at]!.slice(2 * coding)
      // An index says what the stream before it said.
      const id = idOf(at, name === 'indexed' ? coding - 1 : coding)
      if (last !== `200 GET /${idOf(at, coding)}-last`) problems.push(`${name}: the next request got ${last}`)
      if (!outcomesOf(one, id).includes(outcome!)) problems.push(`${name}: its outcome was ${outcome}`)
      const got = origin.requests.filter(({ target }) => target.includes(id) && !target.includes('-last'))
      // The stream behind `indexing` says the same by indices.
      if (name !== 'indexed')
        problems.push(...check(one, id, got, name === 'indexing' ? 2 : 1).map((it) => `${name}: ${it}`))
    }
    t.same(problems, [], one.name)
  }
})

const answerTo = (request: string, id: string) => `200 ${request.replaceAll('{id}', id).split(' ', 2).join(' ')}`

/** The outcomes that the client may see. */
function outcomesOf({ outcome }: Http2Case, id: string): string[] {
  if (outcome === 'malformed') return ['PROTOCOL_ERROR']
  if ('answers' in outcome) return [`${outcome.answers}`]
  if ('forwards' in outcome) return [answerTo(outcome.forwards, id)]
  return ['PROTOCOL_ERROR', answerTo(outcome.getsAtMost, id)]
}

/** What is wrong with what the origin got of a case that was sent `times` times. */
function check(
  { outcome, has, hasNot }: Http2Case,
  id: string,
  got: readonly OriginRequest[],
  times: number,
): string[] {
  const isExact = typeof outcome === 'string' || !('getsAtMost' in outcome)
  const request =
    typeof outcome === 'string' || 'answers' in outcome
      ? []
      : ['forwards' in outcome ? outcome.forwards : outcome.getsAtMost]
  const meant = Array.from({ length: times }, () => request.map((text) => text.replaceAll('{id}', id))).flat()
  const wanted = isExact ? meant : meant.slice(0, got.length)
  const lines = got.map(describeRequest)
  const problems: string[] = []
  if (lines.join() !== wanted.join())
    problems.push(`the origin got ${JSON.stringify(lines)}, not ${JSON.stringify(wanted)}`)
  for (const { head } of got) {
    if (has !== undefined && !has.test(head)) problems.push(`no ${has} in ${head}`)
    if (hasNot?.test(head)) problems.push(`${hasNot} in ${head}`)
  }
  return problems
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
