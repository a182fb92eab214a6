import { test } from 'tap'
import { Logger } from '../telemetry/log.ts'
import { type LogFilter, parseLogFilter } from '../telemetry/log-filter.ts'
import { type AdminContext, type AdminRequest, answerAdmin } from './routes.ts'

function context(parts: Partial<AdminContext> = {}): AdminContext {
  return {
    isReady: () => true,
    renderMetrics: () => '# EOF\n',
    env: { HOME: '/root', LINKERD2_PROXY_LOG: 'info' },
    log: Logger.create({ format: 'plain', write: () => {}, uptimeMs: () => 0 }, parseLogFilter('warn') as LogFilter),
    explainer: { explain: async (query, body) => ({ status: 200, contentType: 'text/x', body: `${query} ${body}` }) },
    isShutdownEnabled: false,
    onShutdown: () => {},
    ...parts,
  }
}

function ask(target: string, parts: Partial<AdminRequest> = {}, on: AdminContext = context()) {
  const [method, url] = target.split(' ') as [string, string]
  const [path, query = ''] = url.split('?') as [string, string?]
  return answerAdmin({ method, path, query, accept: undefined, body: '', isLoopback: true, ...parts }, on)
}

test('the admin table', async (t) => {
  const remote = { isLoopback: false }
  const enabled = context({ isShutdownEnabled: true })
  const cases: { name: string; answer: ReturnType<typeof ask>; status: number; body: string | RegExp }[] = [
    { name: 'ready', answer: ask('GET /ready', remote), status: 200, body: 'ready\n' },
    {
      name: 'not ready',
      answer: ask('GET /ready', remote, context({ isReady: () => false })),
      status: 503,
      body: 'not ready\n',
    },
    { name: 'live, by any method', answer: ask('OPTIONS /live', remote), status: 200, body: 'live\n' },
    { name: 'metrics', answer: ask('GET /metrics', remote), status: 200, body: '# EOF\n' },
    {
      name: 'metrics of several processes',
      answer: ask('GET /metrics', remote, context({ renderMetrics: async () => '# of all\n' })),
      status: 200,
      body: '# of all\n',
    },
    { name: 'metrics are read', answer: ask('POST /metrics'), status: 405, body: '' },
    { name: 'an unknown path', answer: ask('GET /'), status: 404, body: '' },
    { name: 'a prefix of a path', answer: ask('GET /ready/'), status: 404, body: '' },
    { name: 'the log level', answer: ask('GET /proxy-log-level'), status: 200, body: 'warn' },
    { name: 'the log level from outside', answer: ask('GET /proxy-log-level', remote), status: 403, body: /localhost/ },
    {
      name: 'setting it from outside',
      answer: ask('PUT /proxy-log-level', { ...remote, body: 'debug' }),
      status: 403,
      body: /localhost/,
    },
    {
      name: 'a wrong log level',
      answer: ask('PUT /proxy-log-level', { body: 'linkerd=loud' }),
      status: 400,
      body: /"loud"/,
    },
    { name: 'deleting it', answer: ask('DELETE /proxy-log-level'), status: 405, body: '' },
    {
      name: 'the environment',
      answer: ask('GET /env.json', remote),
      status: 200,
      body: '{"HOME":"/root","LINKERD2_PROXY_LOG":"info"}\n',
    },
    { name: 'some of it', answer: ask('GET /env.json?HOME&NONE'), status: 200, body: '{"HOME":"/root","NONE":null}\n' },
    { name: 'a strange name', answer: ask('GET /env.json?__proto__'), status: 200, body: '{"__proto__":null}\n' },
    { name: 'a wrong query', answer: ask('GET /env.json?HOME=1'), status: 400, body: /list of names/ },
    { name: 'writing it', answer: ask('POST /env.json'), status: 405, body: '' },
    { name: 'JSON is not wanted', answer: ask('GET /env.json', { accept: 'text/html' }), status: 406, body: /json/ },
    {
      name: 'JSON among others',
      answer: ask('GET /env.json?HOME', { accept: 'text/html, */*;q=0.1' }),
      status: 200,
      body: /root/,
    },
    {
      name: 'an explanation',
      answer: ask('POST /explain?direction=inbound', { body: 'GET /' }),
      status: 200,
      body: 'direction=inbound GET /',
    },
    {
      name: 'an explanation from outside',
      answer: ask('POST /explain?direction=inbound', { ...remote, body: 'GET /' }),
      status: 403,
      body: /localhost/,
    },
    { name: 'an explanation by reading', answer: ask('GET /explain'), status: 405, body: '' },
    { name: 'shutdown is off', answer: ask('POST /shutdown'), status: 404, body: 'shutdown endpoint is not enabled\n' },
    { name: 'shutdown', answer: ask('POST /shutdown', {}, enabled), status: 200, body: 'shutdown\n' },
    { name: 'shutdown by reading', answer: ask('GET /shutdown', {}, enabled), status: 405, body: '' },
    {
      name: 'shutdown from outside',
      answer: ask('POST /shutdown', remote, enabled),
      status: 403,
      body: 'Requests are only permitted from localhost.',
    },
  ]
  for (const { name, answer, status, body } of cases) t.match(await answer, { status, body }, name)
})

test('side effects', async (t) => {
  let shutdowns = 0
  const filters: string[] = []
  const on = context({
    isShutdownEnabled: true,
    onShutdown: () => shutdowns++,
    onLogFilter: (filter) => filters.push(filter),
  })
  t.match(await ask('PUT /proxy-log-level', { body: ' debug\n' }, on), { status: 204 })
  t.equal(on.log.filter, 'debug')
  t.match(await ask('PUT /proxy-log-level', { body: 'linkerd=loud' }, on), { status: 400 })
  t.same(filters, ['debug'], 'others are told of a filter that was taken')
  ask('POST /shutdown', { isLoopback: false }, on)
  t.equal(shutdowns, 0)
  ask('POST /shutdown', {}, on)
  t.equal(shutdowns, 1)
})
