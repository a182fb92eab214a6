/** Retries of a policy's rules: which failures are tried again, how often, and who pays for it. */
import { once } from 'node:events'
import http from 'node:http'
import { test } from 'tap'
import { startHttp1 } from './apps.ts'
import { startPair } from './pair.ts'
import { policyOf, retries, rule } from './policies.ts'

async function post(port: number): Promise<http.IncomingMessage> {
  const request = http.request({ host: '127.0.0.1', port, method: 'POST', agent: false })
  request.end('abc')
  const [answer] = (await once(request, 'response')) as [http.IncomingMessage]
  return answer.resume()
}

for (const isMeshed of [true, false]) {
  test(`a connection that breaks before the answer is a 502, ${isMeshed ? 'meshed' : 'unmeshed'}`, async (t) => {
    let requests = 0
    const app = await startHttp1((req, res) => {
      if (++requests % 3 === 0) res.end()
      else req.socket.destroy()
    })
    const listing = (status: number) => policyOf(rule({ retry: retries({ statuses: [{ min: status, max: status }] }) }))
    const pair = await startPair({ appPorts: [app.port], isMeshed, policy: listing(502) })
    t.teardown(() => {
      pair.close()
      app.close()
    })
    t.equal((await post(pair.port)).statusCode, 200, 'the policy lists it: a POST, too, is sent again')
    t.equal(requests, 3)
    pair.setPolicy(listing(503))
    t.equal((await post(pair.port)).statusCode, 502, 'else it is the answer')
    t.equal(requests, 4)
  })
}
