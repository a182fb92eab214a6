/**
 * One attack as a process: `--attack KEY --host IP --port PORT`. A server listens on that port instead and attacks the
 * first one who dials it. Prints `open` when it begins and `closed` when the proxy has
 * ended it, both with the time in milliseconds since 1970.
 */
import { connect, createServer, type Socket } from 'node:net'
import { parseArgs } from 'node:util'
import { ATTACKS, type Attack, keyOf } from './attacks.ts'

const { values } = parseArgs({
  options: { attack: { type: 'string' }, host: { type: 'string', default: '127.0.0.1' }, port: { type: 'string' } },
})
const attack = ATTACKS.find((each) => keyOf(each) === values.attack)
if (attack === undefined) throw new Error(`there is no attack "${values.attack}"`)
const port = Number(values.port)

function say(event: 'ready' | 'open' | 'closed'): void {
  process.stdout.write(`${JSON.stringify({ event, atMs: Date.now() })}\n`)
}

function begin(socket: Socket, { run }: Attack): void {
  socket.on('error', () => {})
  socket.on('close', () => say('closed'))
  // A FIN of the proxy is its last word.
  socket.on('end', () => socket.destroy())
  say('open')
  run(socket)
}

if (attack.side !== 'server') {
  const socket = connect({ host: values.host, port, noDelay: true, allowHalfOpen: true }, () => begin(socket, attack))
  socket.on('error', () => process.exit(1))
} else {
  let isTaken = false
  createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    if (isTaken) return void socket.destroy()
    isTaken = true
    begin(socket, attack)
  }).listen(port, () => say('ready'))
}
