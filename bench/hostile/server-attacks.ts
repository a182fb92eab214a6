/** Attacks of a server: its first bytes answer the request that the inbound proxy has sent. */
import { type Attack, flood, floodInPieces, reading } from './attack-kinds.ts'
import { block, frame, goaway, headers, many, OK, odd, ping, rstStream, settings, settingsAck } from './frames.ts'

const INITIAL_WINDOW = 4
const pings = many(200, () => ping())

export const SERVER_ATTACKS: readonly Attack[] = [
  {
    name: 'h1 informational responses without end',
    side: 'server',
    port: 'h1',
    run: reading((socket) => flood(socket, () => 'HTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n'.repeat(100))),
  },
  {
    name: 'h1 a response head without end',
    side: 'server',
    port: 'h1',
    run: reading((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n')
      flood(socket, (round) => `x-field-${round}: ${'v'.repeat(1_000)}\r\n`)
    }),
  },
  {
    name: 'h1 a response head byte by byte',
    side: 'server',
    port: 'h1',
    run: reading((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nx: ')
      floodInPieces(socket, () => 'y')
    }),
  },
  {
    name: 'h1 bytes behind a response',
    side: 'server',
    port: 'h1',
    run: reading((socket) => flood(socket, () => 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'.repeat(100))),
  },
  {
    name: 'h2 informational responses without end',
    side: 'server',
    port: 'h2',
    run: reading((socket) => {
      socket.write(Buffer.concat([settings(), settingsAck]))
      flood(socket, () => many(100, () => headers(1, [[':status', '103']], 'more')))
    }),
  },
  {
    name: 'h2 PING of a server',
    side: 'server',
    port: 'h2',
    run: reading((socket) => {
      socket.write(settings())
      flood(socket, () => pings)
    }),
  },
  {
    name: 'h2 SETTINGS of a server',
    side: 'server',
    port: 'h2',
    run: reading((socket) => flood(socket, () => many(200, () => settings([[INITIAL_WINDOW, 65_535]])))),
  },
  {
    name: 'h2 GOAWAY again and again',
    side: 'server',
    port: 'h2',
    run: reading((socket) => {
      socket.write(settings())
      flood(socket, () => many(200, () => goaway(1, 0)))
    }),
  },
  {
    name: 'h2 responses nobody asked for',
    side: 'server',
    port: 'h2',
    run: reading((socket) => {
      socket.write(settings())
      flood(socket, (round) => headers(odd(round + 10), OK))
    }),
  },
  {
    name: 'h1 one chunk extension of a server',
    side: 'server',
    port: 'h1',
    run: reading((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;')
      flood(socket, () => 'e'.repeat(10_000))
    }),
  },
  {
    name: 'h2 CONTINUATION of a server',
    side: 'server',
    port: 'h2',
    run: reading((socket) => {
      socket.write(Buffer.concat([settings(), frame(1, 0, 1, block(OK))]))
      flood(socket, () => many(500, () => frame(9, 0, 1)))
    }),
  },
  {
    name: 'h2 RST_STREAM of a server',
    side: 'server',
    port: 'h2',
    run: reading((socket) => {
      socket.write(settings())
      flood(socket, () => many(500, () => rstStream(1, 8)))
    }),
  },
]
