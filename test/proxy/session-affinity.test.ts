/** Sessions stay at one endpoint, by header or cookie (proxy/policy/balance/session-affinity.ts). */
import { type Test, test } from 'tap'
import { Agent, request } from 'undici'
import type { SessionAffinity } from '../../proxy/policy/balance/session-affinity.ts'
import { type App, connectHttp2, startHttp1, startHttp2 } from './apps.ts'
import { startPair } from './pair.ts'
import { balancedPolicy } from './policies.ts'

const HEADER: SessionAffinity = { key: { kind: 'header', name: 'x-user' }, maxLoad: 1.25 }
const COOKIE: SessionAffinity = { key: { kind: 'cookie', name: 'sid', path: '/', ttlMs: 60_000 }, maxLoad: 1.25 }
const USERS = Array.from({ length: 30 }, (_, at) => `user-${at}`)

/** Who answered, and the cookie that came with it. */
type Ask = (fields: Record<string, string>) => Promise<{ who: string; cookie: string | undefined }>

interface Bed {
  readonly ask: Ask
  readonly setEndpoints: (ports: readonly number[]) => void
  readonly ports: readonly number[]
}

async function http1Bed(t: Test, affinity: SessionAffinity): Promise<Bed> {
  const apps: App[] = []
  for (const name of ['a', 'b', 'c']) apps.push(await startHttp1((_request, response) => response.end(name)))
  const ports = apps.map(({ port }) => port)
  const pair = await startPair({ appPorts: ports, policy: balancedPolicy({ affinity }) })
  const agent = new Agent()
  t.teardown(async () => {
    await agent.destroy()
    pair.close()
    for (const app of apps) app.close()
  })
  const ask: Ask = async (headers) => {
    const answer = await request(`http://127.0.0.1:${pair.port}/`, { dispatcher: agent, headers })
    const who = await answer.body.text()
    const cookie = answer.headers['set-cookie']
    return { who, cookie: Array.isArray(cookie) ? cookie.join() : cookie }
  }
  return { ask, setEndpoints: pair.setEndpoints, ports }
}

async function http2Bed(t: Test, affinity: SessionAffinity, contentType: string): Promise<Bed> {
  const apps: App[] = []
  for (const name of ['a', 'b', 'c']) {
    apps.push(
      await startHttp2((stream) => {
        stream.respond({ ':status': 200, 'content-type': contentType }, { waitForTrailers: true })
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
        stream.end(name)
      }),
    )
  }
  const ports = apps.map(({ port }) => port)
  const pair = await startPair({ appPorts: ports, policy: balancedPolicy({ affinity }) })
  const session = await connectHttp2(pair.port)
  t.teardown(() => {
    session.destroy()
    pair.close()
    for (const app of apps) app.close()
  })
  const ask: Ask = (fields) =>
    new Promise((resolve, reject) => {
      const pseudo = { ':method': 'POST', ':path': '/a.B/C', te: 'trailers', 'content-type': contentType }
      const stream = session.request({ ...pseudo, ...fields }, { endStream: true })
      let who = ''
      let cookie: string | undefined
      stream.on('response', (head) => {
        cookie = head['set-cookie']?.join()
      })
      stream.on('data', (chunk) => {
        who += chunk
      })
      stream.on('error', reject)
      stream.on('close', () => resolve({ who, cookie }))
    })
  return { ask, setEndpoints: pair.setEndpoints, ports }
}

const BEDS = [
  { name: 'HTTP/1', start: http1Bed },
  { name: 'HTTP/2', start: (t: Test, affinity: SessionAffinity) => http2Bed(t, affinity, 'text/plain') },
  { name: 'gRPC', start: (t: Test, affinity: SessionAffinity) => http2Bed(t, affinity, 'application/grpc') },
]

for (const { name, start } of BEDS) {
  test(`${name}: requests of one header value stay together, also while another endpoint goes and comes`, async (t) => {
    const { ask, setEndpoints, ports } = await start(t, HEADER)
    // One after the other: thirty at once would be more than the bound for some.
    const who = async () => {
      const answers: string[] = []
      for (const user of USERS) answers.push((await ask({ 'x-user': user })).who)
      return answers
    }
    // All three have to be connected before anybody has a home.
    const seen = new Set<string>()
    while (seen.size < 3) seen.add((await ask({})).who)
    const homes = await who()
    t.equal(new Set(homes).size, 3, 'thirty users use all three')
    t.same(await who(), homes)
    t.equal((await ask({ 'x-user': USERS[0]! })).cookie, undefined)
    setEndpoints(ports.slice(0, 2))
    const without = await who()
    t.ok(
      without.every((each, at) => each === homes[at] || homes[at] === 'c'),
      'only the users of c move',
    )
    setEndpoints(ports)
    seen.clear()
    while (!seen.has('c')) seen.add((await ask({})).who)
    t.same(await who(), homes, 'and return')
  })

  test(`${name}: a cookie begins a session`, async (t) => {
    const { ask } = await start(t, COOKIE)
    const seen = new Set<string>()
    while (seen.size < 3) seen.add((await ask({})).who)
    const values = new Set<string>()
    for (let session = 0; session < 10; session++) {
      const first = await ask({ cookie: 'theme=dark' })
      const [, value] = /^sid=([\w-]{22}); Path=\/; Max-Age=60; HttpOnly; SameSite=Lax$/.exec(first.cookie ?? '') ?? []
      if (value === undefined) return t.fail(`${first.cookie}`)
      values.add(value)
      for (let again = 0; again < 3; again++)
        t.same(await ask({ cookie: `theme=dark; sid=${value}` }), { who: first.who, cookie: undefined })
    }
    t.equal(values.size, 10, 'a value of its own for each')
  })
}
