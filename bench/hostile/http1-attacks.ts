/** Attacks of an HTTP/1 client. */
import type { Socket } from 'node:net'
import { type Attack, everyMs, flood, floodInPieces, type Origin, reading } from './attack-kinds.ts'

const HOST = 'Host: bench\r\n'
const HEAD = `POST / HTTP/1.1\r\n${HOST}`
const CHUNKED = `${HEAD}Transfer-Encoding: chunked\r\n\r\n`
const GET_HEAD = `GET / HTTP/1.1\r\n${HOST}\r\n`
const SMALL_PIECE_MS = 100

function h1(name: string, run: (socket: Socket) => void, port: Origin = 'h1'): Attack {
  return { name: `h1 ${name}`, side: 'client', port, run: reading(run) }
}

export const HTTP1_ATTACKS: readonly Attack[] = [
  h1('a head at one byte per 100 ms', (socket) => {
    socket.write(HEAD)
    everyMs(socket, SMALL_PIECE_MS, () => 'x')
  }),
  h1('a head byte by byte, fast', (socket) => {
    socket.write(HEAD)
    floodInPieces(socket, () => 'x')
  }),
  h1('a head without end', (socket) => {
    socket.write(HEAD)
    flood(socket, (round) => `x-field-${round}: ${'v'.repeat(1_000)}\r\n`)
  }),
  h1('content at one byte per 100 ms', (socket) => {
    socket.write(`${HEAD}Content-Length: 1000000\r\n\r\n`)
    everyMs(socket, SMALL_PIECE_MS, () => 'x')
  }),
  h1('content that never comes', (socket) => socket.write(`${HEAD}Content-Length: 1000000\r\n\r\n`)),
  h1('chunk extensions without end', (socket) => {
    socket.write(CHUNKED)
    flood(socket, () => `1;${'e'.repeat(250)}\r\nx\r\n`.repeat(50))
  }),
  h1('chunks of one byte', (socket) => {
    socket.write(CHUNKED)
    flood(socket, () => '1\r\nx\r\n'.repeat(1_000))
  }),
  h1('blank lines behind a request', (socket) => {
    socket.write(GET_HEAD)
    flood(socket, () => '\r\n'.repeat(5_000))
  }),
  h1('one chunk extension without end', (socket) => {
    socket.write(`${CHUNKED}1;`)
    flood(socket, () => 'e'.repeat(10_000))
  }),
  h1('trailers without end', (socket) => {
    socket.write(`${CHUNKED}0\r\n`)
    flood(socket, (round) => `x-trailer-${round}: ${'v'.repeat(1_000)}\r\n`)
  }),
  h1('a pipeline without reading', (socket) => {
    socket.pause()
    flood(socket, () => GET_HEAD.repeat(200))
  }),
  h1(
    'a response of 1 MB without reading',
    (socket) => {
      socket.pause()
      socket.write(GET_HEAD)
    },
    'h1Bulk',
  ),
  h1('two lengths', (socket) => socket.write(`${HEAD}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`)),
  h1('a client that never sends', () => {}),
]
