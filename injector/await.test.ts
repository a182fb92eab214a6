import { once } from 'node:events'
import { createServer } from 'node:http'
import { PassThrough } from 'node:stream'
import { test } from 'tap'
import { awaitProxy } from './await.ts'

test('weft await', async (t) => {
  const call = async (values: Record<string, string>, positionals: string[] = []) => {
    const stderr = new PassThrough().setEncoding('utf8')
    const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr }
    return { code: await awaitProxy.run({ values, positionals, ...streams }), said: stderr.read() as string | null }
  }

  let requests = 0
  const admin = createServer(({ url }, response) => {
    requests++
    response.writeHead(url === '/ready' && requests > 2 ? 200 : 503).end()
  }).listen(0, '127.0.0.1')
  await once(admin, 'listening')
  t.teardown(() => {
    admin.closeAllConnections()
    admin.close()
  })
  const port = String((admin.address() as { port: number }).port)

  t.same(await call({ port, timeout: '10s' }), { code: 0, said: null }, 'ends once the proxy is ready')
  t.equal(requests, 3, 'and asks until then')
  t.match(
    await call({ port: '1', timeout: '50ms' }),
    { code: 1, said: /^await: the proxy did not answer 200 at / },
    'gives up',
  )
  t.match(await call({ port: '0' }), { code: 64, said: 'await: --port is "0"; give a port from 1 to 65535\n' })
  t.match(await call({ timeout: 'soon' }), {
    code: 64,
    said: 'await: --timeout is "soon"; give a duration such as 2m\n',
  })
  t.match(await call({}, ['now']), { code: 64, said: 'await: "now" is one argument too many; give options only\n' })
})
