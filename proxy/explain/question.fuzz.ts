/**
 * Questions to `POST /explain`: whatever the query and the head say, a question whose parts stand in the query, or one
 * sentence. Never an exception: it would be one of the admin port.
 */
import { equal, ok } from 'node:assert/strict'
import { mutateText, pick } from '../../test/fuzz/draw.ts'
import { fuzzer } from '../../test/fuzz/fuzzer.ts'
import { ipText } from '../policy/network.ts'
import { HeadView } from '../policy/request-view.ts'
import { Head } from '../wire/head.ts'
import { parseRequestHead } from '../wire/http1-head.ts'
import { readQuestion } from './question.ts'

type Input = { readonly query: string; readonly body: string }

const QUERIES = [
  'direction=outbound&target=10.96.0.1:80',
  'direction=outbound&target=[fd00::1]:80&http=2&format=text',
  'direction=inbound&port=8080&client=none&address=10.0.0.1',
  'direction=inbound&port=8080&client=web.shop&address=::1&http=1&format=json',
]
const BODIES = [
  'GET /a?b HTTP/1.1\nHost: web\n',
  'POST / HTTP/1.1\r\nHost: web\r\ncontent-type: application/grpc\r\n\r\n',
  'GET http://web/ HTTP/1.0\n\n',
  'CONNECT web:80 HTTP/1.1\nHost: web:80\n',
]
const QUERY_PIECES = [
  '&',
  '=',
  '%',
  '%00',
  '+',
  '[',
  ']',
  ':',
  '::1',
  '65536',
  '-1',
  '__proto__=1',
  'client=tls',
  'http=2',
]
const BODY_PIECES = ['\n', '\r', '\r\n', ' ', ':', 'Host: b\n', 'connection: x\n', '\0', '\ufffd', 'é', '*', '//']

export const explainFuzzer = fuzzer<Input>({
  name: 'explain',
  checks: 'questions to the admin port are read as they stand there, or refused with one sentence',
  cases: 2_000,
  generate: (random) => ({
    query: mutateText(random, pick(random, QUERIES), QUERY_PIECES),
    body: mutateText(random, pick(random, BODIES), BODY_PIECES),
  }),
  mutate: (random, { query, body }) => ({
    query: mutateText(random, query, QUERY_PIECES),
    body: mutateText(random, body, BODY_PIECES),
  }),
  run: check,
})

function check({ query, body }: Input): void {
  const question = readQuestion(query, body)
  if (typeof question === 'string') {
    ok(question.length > 0 && !question.includes('\n'), 'one sentence')
    return
  }
  const parameters = new URLSearchParams(query)
  equal(question.direction, parameters.get('direction'))
  ok(question.port >= 1 && question.port <= 65_535)
  if (question.direction === 'outbound') ok(parameters.get('target')?.includes(question.ip))
  else ok(ipText(question.client.ip) !== '')
  // With the ends of lines that a connection has, the parser alone reads the same head.
  const bytes = Buffer.from(body.includes('\r') ? body : body.replaceAll('\n', '\r\n'))
  const head = new Head()
  const own = new HeadView(question.head)
  if (bytes.toString('latin1').endsWith('\r\n\r\n')) {
    equal(parseRequestHead(head, bytes, 0, bytes.length), bytes.length)
    const { method, path, query: search, authority } = new HeadView(head)
    equal(own.method, method)
    equal(own.path, path)
    equal(own.query, search)
    equal(own.authority, authority)
  }
}
