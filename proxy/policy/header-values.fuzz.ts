/**
 * Values of fields and other one-line texts that come from peers: gRPC statuses and messages, log filters, authorities,
 * workloads and context tokens, Kubernetes quantities. None throws, what comes out is within its bounds, and means the same
 * to a second reader where there is one.
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { mutateText, pick, textOf } from '../../test/fuzz/draw.ts'
import { fuzzer } from '../../test/fuzz/fuzzer.ts'
import { decodeGrpcMessage, parseGrpcStatus } from '../discovery/grpc-status.ts'
import { parseTarget } from '../io/resolve.ts'
import { levelFor, parseLogFilter } from '../telemetry/log-filter.ts'
import { isAuthority, isScheme, isTargetText, parseDigits } from '../wire/field-chars.ts'
import { parseGrpcStatus as classifiedStatus } from './classify.ts'

const STARTS = [
  '0',
  '16',
  '17',
  '007',
  '-1',
  '%41%zz',
  '%E2%82%AC',
  'a%0Ab',
  'warn,linkerd=info',
  'linkerd_proxy::x=debug,[{headers}]=off',
  'x=y',
  'web.shop:80',
  '[::1]:80',
  'localhost.:80',
  'a..b:1',
  '10.0.0.1:65536',
  'http',
  '/a?b',
  '5',
  '123456789012345',
  '1234567890123456',
  '',
]
const PIECES = [
  '%',
  '%0',
  '%00',
  '%ff',
  ':',
  '::',
  ',',
  '=',
  '[',
  ']',
  '{',
  '.',
  '-',
  '0',
  '9',
  '1e3',
  ' ',
  '\t',
  '\r\n',
  '\0',
  'é',
  '@',
  '#',
  'x'.repeat(600),
  'off',
  'trace',
]

export const headerValuesFuzzer = fuzzer<string>({
  name: 'header-values',
  checks: 'field values and one-line texts from peers: none throws, all within bounds, the same to a second reader',
  cases: 5_000,
  generate: (random) => (random() < 0.7 ? pick(random, STARTS) : textOf(random, 12)),
  mutate: (random, text) => mutateText(random, text, PIECES, 3),
  run(text) {
    const code = parseGrpcStatus(text)
    ok(code === undefined || (code >= 0 && code <= 16))
    const classified = classifiedStatus(text)
    ok(Number.isInteger(classified) && classified >= 0 && classified <= 999, `a status of ${classified}`)
    if (code !== undefined && classified <= 16) equal(classified, code)

    const message = decodeGrpcMessage(text)
    ok(message.length <= 500 && !/[\0-\x1f\x7f]/.test(message), 'one line, bounded')
    if (/^[\x20-\x24\x26-\x7e]{0,500}$/.test(text)) equal(message, text, 'what needs no coding stays')

    const filter = parseLogFilter(text)
    if ('problem' in filter) ok(filter.problem.length > 0)
    else levelFor(filter, 'linkerd_proxy::outbound')

    const target = parseTarget(text)
    if (target !== undefined) {
      ok(target.port >= 1 && target.port <= 65_535)
      ok(/^[\w.\-[\]:]+$/.test(target.authority), target.authority)
    }

    const bytes = Buffer.from(text, 'latin1')
    const digits = parseDigits(bytes, 0, bytes.length)
    equal(digits, /^\d{1,15}$/.test(text) ? Number(text) : -1)
    if (isAuthority(bytes, 0, bytes.length)) ok(/^[-._~%!$&'()*+,;=:[\]0-9A-Za-z]*$/.test(text))
    equal(isScheme(bytes, 0, bytes.length), /^[a-z][a-z0-9+.-]*$/i.test(text))
    equal(isTargetText(bytes, 0, bytes.length), !/[\0-\x20\x7f#]/.test(bytes.toString('latin1')))
    const embedded = Buffer.concat([Buffer.from('\0\0'), bytes, Buffer.from('\0\0')])
    deepEqual(
      isAuthority(embedded, 2, 2 + bytes.length),
      isAuthority(bytes, 0, bytes.length),
      'in the middle of a buffer',
    )
  },
})
