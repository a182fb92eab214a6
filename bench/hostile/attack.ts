/**
 * One attack as a process: `--attack KEY --host IP`. It loads, says `ready` and waits: a line `go PORT` on its standard
 * input begins one connection to that port, `stop` ends it. A server listens on that port instead, says `listening`, and
 * attacks the first one who dials it. Prints `open` when the attack begins and `closed` when the proxy has ended it, both
 * with the time in milliseconds since 1970.
 */
import { connect, createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import type { Attack } from './attack-kinds.ts'
import { ATTACKS, keyOf } from './attacks.ts'

const { values } = parseArgs({
  options: { attack: { type: 'string' }, host: { type: 'string', default: '127.0.0.1' } },
})
const attack = ATTACKS.find((each) => keyOf(each) === values.attack)
if (attack === undefined) throw new Error(`there is no attack "${values.attack}"`)

let hostile: Socket | undefined
let server: Server | undefined

function say(event: 'ready' | 'listening' | 'open' | 'closed'): void {
  process.stdout.write(`${JSON.stringify({ event, atMs: Date.now() })}\n`)
}

function begin(socket: Socket, { run }: Attack): void {
  hostile = socket
  socket.on('error', () => {})
  socket.on('close', () => {
    if (hostile === socket) say('closed')
  })
  // A FIN of the proxy is its last word.
  socket.on('end', () => socket.destroy())
  say('open')
  run(socket)
}

function go(port: number, { side }: Attack): void {
  if (side !== 'server') {
    const options = { host: values.host, port, noDelay: true, allowHalfOpen: true }
    let isOpen = false
    const socket = connect(options, () => {
      isOpen = true
      begin(socket, attack!)
    })
    // A proxy that resets the connection later has ended it.
    socket.on('error', () => isOpen || process.exit(1))
    return
  }
  server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    if (hostile !== undefined) return void socket.destroy()
    begin(socket, attack!)
  }).listen(port, () => say('listening'))
}

function stop(): void {
  const socket = hostile
  hostile = undefined
  socket?.destroy()
  server?.close()
  server = undefined
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const [command, port] = line.split(' ')
  if (command === 'go') go(Number(port), attack)
  else stop()
})
say('ready')
