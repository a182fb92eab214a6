/**
 * The honest client of hostile servers, as a process: for every line `go PORT` one request through the proxy, its answer
 * read and dropped; `stop` ends it.
 */
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { get, hello } from './frames.ts'

const { values } = parseArgs({
  options: { host: { type: 'string', default: '127.0.0.1' }, http2: { type: 'boolean' } },
})
let socket: Socket | undefined

function request(port: number): void {
  const dialled = connect({ host: values.host, port, noDelay: true }, () =>
    dialled.write(values.http2 ? Buffer.concat([hello(), get(1)]) : 'GET / HTTP/1.1\r\nHost: bench\r\n\r\n'),
  )
  dialled.on('error', () => {})
  dialled.resume()
  socket = dialled
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const [command, port] = line.split(' ')
  if (command === 'go') request(Number(port))
  else socket?.destroy()
})
