import { test } from 'tap'
import { defaultMeta } from '../policy/meta.ts'
import { type AccessLogEntry, accessLogLine } from './access-log.ts'
import { type LogFormat, Logger, MAX_LINES_PER_SECOND } from './log.ts'
import { type LogFilter, levelFor, parseLogFilter } from './log-filter.ts'

function filter(text: string): LogFilter {
  const parsed = parseLogFilter(text)
  if ('problem' in parsed) throw new Error(parsed.problem)
  return parsed
}

test('the longest target decides', async (t) => {
  const cases = [
    {
      text: 'warn,linkerd=info,hickory=error,[{headers}]=off,[{request}]=off',
      target: 'linkerd_proxy::outbound',
      level: 'info',
    },
    { text: 'warn,linkerd=info', target: 'other', level: 'warn' },
    { text: 'linkerd=info,linkerd_proxy::outbound=debug', target: 'linkerd_proxy::outbound', level: 'debug' },
    { text: 'linkerd=info', target: 'other', level: 'off' },
    { text: '', target: 'linkerd_proxy', level: 'off' },
    { text: 'DEBUG', target: 'linkerd_proxy', level: 'debug' },
    { text: '3', target: 'linkerd_proxy', level: 'info' },
    { text: 'linkerd', target: 'linkerd_proxy', level: 'trace' },
    { text: 'info,warn', target: 'linkerd_proxy', level: 'warn' },
  ]
  for (const { text, target, level } of cases) t.equal(levelFor(filter(text), target), level, `${text}: ${target}`)
  for (const text of ['linkerd=loud', 'a b', 'linkerd==info', '='])
    t.match(parseLogFilter(text), { problem: /not/ }, text)
})

function capture(format: LogFormat, text: string) {
  const lines: string[] = []
  const state = { nowMs: 1_234.5 }
  const log = Logger.create({ format, write: (line) => lines.push(line), uptimeMs: () => state.nowMs }, filter(text))
  return { lines, log, state }
}

test('lines', async (t) => {
  const plain = capture('plain', 'info')
  plain.log.child('outbound').info('one\nline "here"')
  plain.log.debug('unwanted')
  t.same(plain.lines, ['[     1.234500s]  INFO linkerd_proxy::outbound: one line "here"\n'])
  const json = capture('json', 'warn')
  json.log.error('bad')
  t.same(JSON.parse(json.lines[0]!), {
    timestamp: '[     1.234500s]',
    level: 'ERROR',
    fields: { message: 'bad' },
    target: 'linkerd_proxy',
  })
})

test('the filter changes for all loggers, or not at all', async (t) => {
  const { lines, log } = capture('plain', 'warn')
  const child = log.child('inbound')
  child.info('no')
  t.equal(log.setFilter('warn,linkerd_proxy::inbound=debug'), undefined)
  child.debug('yes')
  log.info('no')
  t.match(log.setFilter('nonsense here'), 'is not a log directive')
  t.equal(child.filter, 'warn,linkerd_proxy::inbound=debug')
  t.equal(lines.length, 1)
})

test('a flood is cut off and counted', async (t) => {
  const { lines, log, state } = capture('plain', 'info')
  for (let n = 0; n < MAX_LINES_PER_SECOND + 7; n++) log.info('again')
  t.equal(lines.length, MAX_LINES_PER_SECOND)
  state.nowMs += 1_000
  log.info('later')
  t.match(lines.slice(MAX_LINES_PER_SECOND), [/WARN .*7 log lines were left out/, /later/])
})

const entry: AccessLogEntry = {
  clientAddr: '10.0.0.1:4444',
  clientId: 'web.ns',
  receivedUnixMs: 1_700_000_000_123.456,
  method: 'GET',
  uri: '/a"b',
  version: 'HTTP/2.0',
  traceId: 'abc',
  requestBytes: undefined,
  responseBytes: '12',
  status: 200,
  totalMs: 1.5,
  processingMs: 0.25,
  userAgent: 'curl',
  host: 'web',
  server: { ...defaultMeta('web-http'), group: 'policy.linkerd.io', kind: 'server' },
  route: { ...defaultMeta('cart'), group: 'policy.linkerd.io', kind: 'HTTPRoute' },
  authorization: defaultMeta('audit'),
}

test('access log', async (t) => {
  t.equal(
    accessLogLine('apache', entry),
    '10.0.0.1:4444 web.ns - [2023-11-14T22:13:20.123456055Z] "GET /a\\x22b HTTP/2.0" 200\n',
  )
  t.match(accessLogLine('apache', { ...entry, clientId: undefined }), /^10\.0\.0\.1:4444 - - \[/)
  t.same(JSON.parse(accessLogLine('json', entry)), {
    'client.addr': '10.0.0.1:4444',
    'client.id': 'web.ns',
    timestamp: '2023-11-14T22:13:20.123456055Z',
    method: 'GET',
    uri: '/a"b',
    version: 'HTTP/2.0',
    trace_id: 'abc',
    request_bytes: '',
    status: 200,
    response_bytes: '12',
    total_ns: '1500000',
    processing_ns: '250000',
    user_agent: 'curl',
    host: 'web',
    server: 'server web-http',
    route: 'HTTPRoute cart',
    authorization: 'default audit',
  })
  const refused = JSON.parse(accessLogLine('json', { ...entry, route: undefined, authorization: undefined }))
  t.match(refused, { route: '', authorization: '' })
})
