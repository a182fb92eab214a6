/** The honest client of a hostile server, as a process: one request through the proxy, its answer read and dropped. */
import { connect } from 'node:net'
import { parseArgs } from 'node:util'
import { get, hello } from './frames.ts'

const { values } = parseArgs({
  options: { host: { type: 'string', default: '127.0.0.1' }, port: { type: 'string' }, http2: { type: 'boolean' } },
})
const socket = connect({ host: values.host, port: Number(values.port), noDelay: true }, () =>
  socket.write(values.http2 ? Buffer.concat([hello(), get(1)]) : 'GET / HTTP/1.1\r\nHost: bench\r\n\r\n'),
)
socket.on('error', () => {})
socket.resume()
