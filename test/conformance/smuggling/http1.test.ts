/**
 * Request smuggling: inputs that two readers could take for different requests, through the proxies to an origin that
 * records bytes. Either they are refused, or what the origin gets is what the client meant and can be read in one way.
 */
import { test } from 'tap'
import { defaultServer } from '../../../proxy/policy/inbound-policy.ts'
import { defaultMeta } from '../../../proxy/policy/meta.ts'
import { compileRoutes } from '../../../proxy/policy/route-match.ts'
import { startPair } from '../../proxy/pair.ts'
import { problemsOf } from './careless-readers.ts'
import type { Http1Case } from './http1-case.ts'
import { HTTP1_CASES } from './http1-cases.ts'
import { RawHttp1, type RawResponse } from './raw-http1.ts'
import { describeRequest, type OriginRequest, startRecordingOrigin } from './recording-origin.ts'

/** Four characters, as many as `{id}` has, so that lengths in the table hold. `b` is the case byte by byte. */
const idOf = (at: number, suffix: 't' | 'b') => `c${at.toString(36).padStart(2, '0')}${suffix}`

/** What happened to one case, as the client saw it. */
type Seen = readonly (RawResponse | string)[]

async function run(port: number, id: string, { bytes, outcome }: Http1Case, isTorn: boolean): Promise<Seen> {
  const client = await RawHttp1.connect(port)
  const seen: (RawResponse | string)[] = []
  // What follows is the second request of its connection: the first made it one of HTTP.
  client.write(`GET /${id}-first HTTP/1.1\r\nHost: web\r\n\r\n`)
  seen.push(await client.response())
  const isOpen = 'forwards' in outcome && outcome.closes === undefined
  const text = bytes.replaceAll('{id}', id) + (isOpen ? `GET /${id}-last HTTP/1.1\r\nHost: web\r\n\r\n` : '')
  if (isTorn) client.writeTorn(text)
  else client.write(text)
  const responses = 'refused' in outcome ? 1 : outcome.forwards.length + (isOpen ? 1 : 0)
  for (let i = 0; i < responses; i++) seen.push(await client.response())
  if (!isOpen) seen.push(await client.toEnd())
  client.close()
  return seen
}

for (const route of ['HTTP/1 → HTTP/1, outbound', 'HTTP/1 → HTTP/1, inbound', 'HTTP/1 → HTTP/2 → HTTP/1'] as const) {
  test(route, async (t) => {
    const origin = await startRecordingOrigin()
    const pair = await startPair({ appPorts: [origin.port], isMeshed: route === 'HTTP/1 → HTTP/2 → HTTP/1' })
    const port = route === 'HTTP/1 → HTTP/1, inbound' ? await pair.openInbound(origin.port) : pair.port
    const seen: Seen[] = []
    for (const [at, one] of HTTP1_CASES.entries()) {
      seen.push(await run(port, idOf(at, 't'), one, false))
      seen.push(await run(port, idOf(at, 'b'), one, true))
    }
    pair.close()
    await origin.ended()

    const requests = new Map<string, OriginRequest[]>()
    for (const request of origin.requests) {
      const id = /c[0-9a-z]{2}[tb]/.exec(request.target)?.[0] ?? 'nobody'
      requests.set(id, [...(requests.get(id) ?? []), request])
    }
    t.equal(requests.get('nobody'), undefined, 'every request at the origin is one that was sent')
    t.same(origin.recordings.flatMap(problemsOf), [], 'every reader finds the same requests at the origin')
    // One assertion for each case: many thousands would take longer than all that is asserted.
    for (const [at, one] of HTTP1_CASES.entries()) {
      const [whole, torn] = [idOf(at, 't'), idOf(at, 'b')]
      const problems = [
        ...check(one, whole, seen[2 * at]!, requests.get(whole) ?? []),
        ...check(one, torn, seen[2 * at + 1]!, requests.get(torn) ?? []).map((problem) => `byte by byte: ${problem}`),
      ]
      t.same(problems, [], one.name)
    }
  })
}

/** What is wrong with what the client saw and the origin got of one case. */
function check(one: Http1Case, id: string, answers: Seen, got: readonly OriginRequest[]): string[] {
  const { outcome } = one
  const withId = (text: string) => text.replaceAll('{id}', id)
  const lines = got.map(describeRequest)
  const problems: string[] = []
  const expect = (isTrue: boolean, problem: string): void => {
    if (!isTrue)
      problems.push(`${problem}; the origin got ${JSON.stringify(lines)}, the client ${JSON.stringify(answers)}`)
  }
  if ('refused' in outcome) {
    const [, answer, rest] = answers
    const isClosing = typeof answer === 'object' && /^connection: close$/im.test(answer.head)
    expect(typeof answer === 'object' && answer.status === outcome.refused, `not refused with ${outcome.refused}`)
    expect(isClosing && rest === '', 'the connection was not closed behind the answer')
    expect(lines.join() === `GET /${id}-first ""`, 'the origin got something of it')
    return problems
  }
  const last = outcome.closes === true ? [] : [`GET /${id}-last ""`]
  const wanted = [`GET /${id}-first ""`, ...outcome.forwards.map(withId), ...last]
  expect(lines.join() === wanted.join(), `not what was meant: ${wanted.join()}`)
  for (const [at, { method, target }] of got.entries()) {
    const answer = answers[at]
    expect(typeof answer === 'object' && answer.content === `${method} ${target}`, `response ${at} is not its own`)
  }
  const head = got[1]?.head ?? ''
  expect(one.has === undefined || one.has.test(head), `no ${one.has} in ${head}`)
  expect(one.hasNot === undefined || !one.hasNot.test(head), `${one.hasNot} in ${head}`)
  return problems
}

test('what policy adds to a request, the Connection field of its client does not take away', async (t) => {
  const origin = await startRecordingOrigin()
  const pair = await startPair({ appPorts: [origin.port] })
  const server = defaultServer('all-unauthenticated', false, [], 10_000)
  const edits = {
    add: [{ name: 'x-added', value: 'a' }],
    set: [{ name: 'x-tier', value: 'free' }],
    remove: [],
  }
  const rules = [{ matches: [], filters: [{ kind: 'requestHeaders' as const, edits }] }]
  const { authorizations } = server
  const table = compileRoutes([{ meta: defaultMeta('default'), hosts: [], rules, authorizations }])
  pair.setServer({ ...server, protocol: { kind: 'http1', table } })
  const client = await RawHttp1.connect(await pair.openInbound(origin.port))
  client.write('GET / HTTP/1.1\r\nHost: web\r\nConnection: x-tier, x-added\r\nX-Tier: gold\r\n\r\n')
  await client.response()
  client.close()
  pair.close()
  await origin.ended()
  const { head } = origin.requests[0]!
  t.match(head, /^x-tier: free$/im)
  t.match(head, /^x-added: a$/im)
  t.notMatch(head, /gold/)
})
