/** Response splitting: what an origin writes reaches the client as it was meant or not at all, and never another client. */
import { test } from 'tap'
import { startTcp } from '../../proxy/apps.ts'
import { startPair } from '../../proxy/pair.ts'
import { RawHttp1 } from './raw-http1.ts'
import { RESPONSE_CASES, type ResponseCase } from './response-cases.ts'

interface Seen {
  readonly text: string
  readonly next: string
}

for (const isMeshed of [false, true]) {
  test(isMeshed ? 'HTTP/1 ← HTTP/2 ← HTTP/1' : 'HTTP/1 ← HTTP/1', async (t) => {
    const origin = await startTcp((socket) => {
      socket.setNoDelay(true)
      socket.on('data', async (data: Buffer) => {
        const at = /^(?:GET|HEAD) \/case-(\d+) /.exec(data.toString('latin1'))?.[1]
        const path = /^\S+ (\S+)/.exec(data.toString('latin1'))?.[1] ?? ''
        if (at === undefined) {
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`)
          return
        }
        const { bytes, closes } = RESPONSE_CASES[Number(at)]!
        for (const piece of bytes) await new Promise((done) => socket.write(piece, 'latin1', done))
        if (closes === true) socket.end()
      })
    })
    const pair = await startPair({ appPorts: [origin.port], isMeshed })
    t.teardown(() => {
      pair.close()
      origin.close()
    })
    for (const [at, one] of RESPONSE_CASES.entries()) {
      const { text, next } = await run(pair.port, at, one)
      await t.test(one.name, async (t) => {
        t.equal(outcomeOf(text, one.method === 'HEAD'), one.outcome, JSON.stringify(text))
        if (one.has !== undefined) t.match(text, one.has)
        if (one.hasNot !== undefined) t.notMatch(text, one.hasNot)
        t.notMatch(text, /stolen/, 'nothing that belongs to nobody')
        t.equal(next, `/next-${at}`, 'the next request gets its own answer')
      })
    }
  })
}

async function run(port: number, at: number, { method = 'GET' }: ResponseCase): Promise<Seen> {
  const client = await RawHttp1.connect(port)
  client.write(`${method} /case-${at} HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n`)
  const text = await client.toEnd()
  client.close()
  const other = await RawHttp1.connect(port)
  other.write(`GET /next-${at} HTTP/1.1\r\nHost: web\r\n\r\n`)
  const next = await other.response()
  other.close()
  return { text, next: typeof next === 'string' ? next : next.content }
}

/** Reads what a client got, up to the end of its connection, as strictly as a client may. */
function outcomeOf(text: string, isHead: boolean): string {
  let rest = text
  for (;;) {
    const [, status, fields, content] =
      /^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n((?:[^\r\n:]+: [^\r\n]*\r\n)*)\r\n([\s\S]*)$/.exec(rest) ?? []
    if (status === undefined || fields === undefined || content === undefined) return 'broken'
    if (status.startsWith('1')) {
      rest = content
      continue
    }
    if (isHead || status === '204' || status === '304' || status === '502') return content === '' ? status : 'broken'
    if (/^transfer-encoding: chunked\r$/im.test(fields)) {
      const chunks = /^((?:[1-9a-f][0-9a-f]*\r\n[^\r]*\r\n)*)0\r\n\r\n$/.exec(content)?.[1]
      return chunks === undefined ? 'broken' : `${status} ${chunks.replace(/[1-9a-f][0-9a-f]*\r\n([^\r]*)\r\n/g, '$1')}`
    }
    const length = /^content-length: (\d+)\r$/im.exec(fields)?.[1]
    return Number(length) === content.length ? `${status} ${content}` : 'broken'
  }
}
