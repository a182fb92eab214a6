/** HTTP/1 by hand on both ends: an application that answers with bytes and shows the bytes it got, and a client alike. */
import { type App, connectTcp, startTcp } from './apps.ts'

export interface RawApp extends App {
  /** What arrived, connection by connection. */
  readonly received: string[]
}

/** Answers each request head (an empty line) with what `answer` makes of it; `undefined` answers nothing. */
export async function startRaw(answer: (request: string, count: number) => string | undefined): Promise<RawApp> {
  const received: string[] = []
  let count = 0
  const app = await startTcp((socket) => {
    const index = received.push('') - 1
    let unread = ''
    socket.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1')
      received[index] += text
      unread += text
      for (let end = unread.indexOf('\r\n\r\n'); end !== -1; end = unread.indexOf('\r\n\r\n')) {
        const head = unread.slice(0, end + 4)
        unread = unread.slice(end + 4)
        // What follows a head is content of the request before; only what begins like a request is answered.
        const reply = / HTTP\/1\.[01]\r\n/.test(head) ? answer(head, count++) : undefined
        if (reply !== undefined) socket.write(reply, 'latin1')
      }
    })
    socket.on('end', () => socket.end())
  })
  return { ...app, received }
}

/** Sends `text` and reads until `isComplete` or the end of the connection. */
export async function ask(
  port: number,
  text: string,
  isComplete: (reply: string) => boolean = (reply) => reply.includes('\r\n\r\n'),
): Promise<string> {
  const socket = await connectTcp(port)
  socket.write(text, 'latin1')
  let reply = ''
  for await (const chunk of socket) {
    reply += (chunk as Buffer).toString('latin1')
    if (isComplete(reply)) break
  }
  socket.destroy()
  return reply
}

/** The field lines of the first message in `text`, without the start line. */
export function fieldLines(text: string): string[] {
  return text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n').slice(1)
}
