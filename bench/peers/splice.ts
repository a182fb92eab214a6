/**
 * What a TCP proxy costs on this Node that looks at nothing: `node:net`, both sockets piped into each other. It listens
 * on the port of every application plus OFFSET and connects to HOST at the application's port.
 */
import { connect, createServer } from 'node:net'
import { ALL_ORIGINS } from '../origin-ports.ts'

const [offset, host] = process.argv.slice(2)

for (const { port } of ALL_ORIGINS) {
  createServer({ noDelay: true }, (downstream) => {
    const upstream = connect({ host: host!, port, noDelay: true })
    downstream.pipe(upstream).pipe(downstream)
    downstream.on('error', () => upstream.destroy())
    upstream.on('error', () => downstream.destroy())
  }).listen(port + Number(offset), '127.0.0.1')
}
