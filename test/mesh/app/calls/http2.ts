/** HTTP/2 with prior knowledge, as `node:http2` speaks it: one connection per server. */
import { type ClientHttp2Session, connect } from 'node:http2'
import { text } from 'node:stream/consumers'
import type { HttpRequest, HttpResponse } from './http.ts'

const sessions = new Map<string, ClientHttp2Session>()

export async function http2({ url, method = 'GET', headers = {}, body }: HttpRequest): Promise<HttpResponse> {
  const { origin, pathname, search } = new URL(url)
  const stream = sessionOf(origin).request({ ...headers, ':method': method, ':path': pathname + search })
  const head = new Promise<HttpResponse['headers']>((resolve, reject) => {
    stream.once('response', resolve)
    stream.once('error', reject)
  })
  stream.end(body)
  const fields = await head
  return { status: Number(fields[':status']), headers: fields, body: await text(stream) }
}

function sessionOf(origin: string): ClientHttp2Session {
  let session = sessions.get(origin)
  if (session === undefined || session.closed || session.destroyed) {
    session = connect(origin)
    // Its streams hear of it too.
    session.on('error', () => {})
    sessions.set(origin, session)
  }
  return session
}
