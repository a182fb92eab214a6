import { connect } from 'node:net'
import { test } from 'tap'
import { Logger } from '../telemetry/log.ts'
import { type LogFilter, parseLogFilter } from '../telemetry/log-filter.ts'
import { AdminServer } from './server.ts'

const page = `${'request_total{direction="inbound"} 1\n'.repeat(1_000)}# EOF\n`

const NOT_ASKED = Promise.resolve({ status: 400, contentType: 'text/plain', body: 'direction?' })

async function start(): Promise<{ admin: AdminServer; url: string }> {
  const log = Logger.create(
    { format: 'plain', write: () => {}, uptimeMs: () => 0 },
    parseLogFilter('warn') as LogFilter,
  )
  const admin = new AdminServer({
    isReady: () => true,
    renderMetrics: () => page,
    env: {},
    log,
    explainer: { explain: (query) => (query === 'bug' ? Promise.reject(new Error('a bug')) : NOT_ASKED) },
    isShutdownEnabled: false,
    onShutdown: () => {},
  })
  await admin.listen({ ip: '127.0.0.1', port: 0 })
  return { admin, url: `http://127.0.0.1:${admin.port}` }
}

test('over real connections', async (t) => {
  const { admin, url } = await start()
  t.teardown(() => admin.close())
  const metrics = await fetch(`${url}/metrics`)
  t.equal(metrics.headers.get('content-encoding'), 'gzip', 'clients that take it get gzip')
  t.equal(metrics.headers.get('content-type'), 'text/plain')
  t.equal(await metrics.text(), page)
  const plain = await fetch(`${url}/metrics`, { headers: { 'accept-encoding': 'gzip;q=0' } })
  t.equal(plain.headers.get('content-encoding'), null)
  t.equal(await plain.text(), page)
  const head = await fetch(`${url}/metrics`, { method: 'HEAD', headers: { 'accept-encoding': 'identity' } })
  t.equal(head.headers.get('content-length'), `${page.length}`)
  t.equal((await fetch(`${url}/proxy-log-level`, { method: 'PUT', body: 'debug' })).status, 204)
  t.equal(await (await fetch(`${url}/proxy-log-level`)).text(), 'debug')
  t.equal((await fetch(`${url}/nothing`)).status, 404)
  const explanation = await fetch(`${url}/explain`, { method: 'POST', body: 'GET /' })
  t.same([explanation.status, await explanation.text()], [400, 'direction?'])
  t.equal((await fetch(`${url}/explain?bug`, { method: 'POST' })).status, 500, 'a page that fails ends nothing')
  const large = await fetch(`${url}/proxy-log-level`, { method: 'PUT', body: 'x'.repeat(20_000) })
  t.equal(large.status, 413)
  t.equal((await fetch(`${url}/live`)).status, 200, 'and the server lives on')
})

test('a malformed request is refused', async (t) => {
  const { admin } = await start()
  t.teardown(() => admin.close())
  const answer = await new Promise<string>((resolve, reject) => {
    let received = ''
    const socket = connect(admin.port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nbad header\r\n\r\n'))
    socket.on('data', (data) => {
      received += data.toString()
    })
    socket.on('close', () => resolve(received))
    socket.on('error', reject)
  })
  t.match(answer, /^HTTP\/1\.1 400 /)
})

test('a port in use is one clear sentence', async (t) => {
  const { admin } = await start()
  t.teardown(() => admin.close())
  const second = new AdminServer({} as never)
  await t.rejects(second.listen({ ip: '127.0.0.1', port: admin.port }), {
    message: `the admin port cannot be opened: 127.0.0.1:${admin.port} is in use by another program`,
  })
})
