/**
 * Responses that two readers could read in two ways, and responses that nobody asked for: none of them may reach a client
 * as something else, or become the answer to another request.
 */

export interface ResponseCase {
  readonly name: string
  /** What the origin writes for one request, in these pieces. */
  readonly bytes: readonly string[]
  /** The origin closes the connection behind it. */
  readonly closes?: true
  readonly method?: 'GET' | 'HEAD'
  /**
   * What the client gets: `status content` of a whole response, `502`, or `broken`: a response that ends before its end.
   */
  readonly outcome: string
  readonly has?: RegExp
  readonly hasNot?: RegExp
}

const OK = 'HTTP/1.1 200 OK\r\n'
const CHUNKED = 'Transfer-Encoding: chunked\r\n'
const HELLO = `${OK}Content-Length: 5\r\n\r\nhello`
const STOLEN = `${OK}Content-Length: 6\r\n\r\nstolen`

const refused = (name: string, head: string, content = 'hello'): ResponseCase => ({
  name,
  bytes: [`${head}\r\n${content}`],
  outcome: '502',
})

const CODINGS = [
  'xchunked',
  'identity',
  '',
  'chunked, identity',
  'identity, chunked',
  'gzip, chunked',
  'chunked, chunked',
  'chunked,',
  '\x0bchunked',
  'chunked\x0b',
  '"chunked"',
  'chunked;q=1',
  '\xa0chunked',
]
const LENGTHS = ['+5', '-5', '0x5', '5, 5', '5,', '5 0', '', '5.0', 'x5', '5\0', '\x0b5', '18446744073709551621']
const LINES: readonly (readonly [name: string, lines: string])[] = [
  ['a bare LF', 'X: y\nContent-Length: 5\r\n'],
  ['a bare CR', 'X: y\rContent-Length: 5\r\n'],
  ['NUL', 'X: y\0\r\nContent-Length: 5\r\n'],
  ['a control character', 'X: y\x01\r\nContent-Length: 5\r\n'],
  ['a folded line', 'X: y\r\n Content-Length: 5\r\n'],
  ['a folded line behind the status line', ' X: y\r\nContent-Length: 5\r\n'],
  ['a space before a colon', 'Content-Length : 5\r\n'],
  ['a space before the colon of the coding', 'Transfer-Encoding : chunked\r\n'],
  ['a line without a colon', 'Content-Length 5\r\n'],
  ['an empty name', ': 5\r\nContent-Length: 5\r\n'],
  ['a name with a space', 'X Y: 5\r\nContent-Length: 5\r\n'],
]
const STATUS_LINES: readonly (readonly [name: string, line: string])[] = [
  ['two digits', 'HTTP/1.1 20 OK'],
  ['four digits', 'HTTP/1.1 2000 OK'],
  ['a sign', 'HTTP/1.1 +20 OK'],
  ['letters', 'HTTP/1.1 2x0 OK'],
  ['no space', 'HTTP/1.1200 OK'],
  ['two spaces', 'HTTP/1.1  200 OK'],
  ['a status below 100', 'HTTP/1.1 099 OK'],
  ['HTTP/2', 'HTTP/2 200 OK'],
  ['HTTP/1.2', 'HTTP/1.2 200 OK'],
  ['another protocol', 'ICY 200 OK'],
  ['a bare CR in the reason', 'HTTP/1.1 200 O\rK'],
  ['a bare LF in the reason', 'HTTP/1.1 200 O\nK'],
  ['NUL in the reason', 'HTTP/1.1 200 O\0K'],
]
/** Behind `5 CR LF hello`, sent as the first chunk. */
const CHUNKS: readonly (readonly [name: string, content: string])[] = [
  ['a sign', '+5\r\nhello\r\n'],
  ['a hexadecimal prefix', '0x5\r\nhello\r\n'],
  ['two numbers', '5 5\r\nhello\r\n'],
  ['a bare LF behind the size', '5\nhello\r\n'],
  ['a bare LF in an extension', '5;a\nb\r\nhello\r\n'],
  ['a size of 17 digits', '10000000000000005\r\nhello\r\n'],
  ['a chunk that is longer than its size', '4\r\nhello\r\n'],
  ['a chunk that ends with a bare LF', '5\r\nhello\n0\r\n\r\n'],
  ['a trailer with a space before the colon', '0\r\nX : y\r\n\r\n'],
  ['a folded trailer', '0\r\nX: y\r\n z\r\n\r\n'],
  ['a response where trailers belong', `0\r\n${STOLEN}`],
]

export const RESPONSE_CASES: readonly ResponseCase[] = [
  { name: 'a plain response', bytes: [HELLO], outcome: '200 hello' },
  ...CODINGS.flatMap((value) => [
    refused(`Transfer-Encoding: ${JSON.stringify(value)}`, `${OK}Transfer-Encoding: ${value}\r\n`, '0\r\n\r\n'),
    refused(
      `Transfer-Encoding: ${JSON.stringify(value)}, and a length`,
      `${OK}Content-Length: 5\r\nTransfer-Encoding: ${value}\r\n`,
    ),
  ]),
  ...LENGTHS.map((value) => refused(`Content-Length: ${JSON.stringify(value)}`, `${OK}Content-Length: ${value}\r\n`)),
  refused('a length and a coding', `${OK}Content-Length: 5\r\n${CHUNKED}`, '0\r\n\r\n'),
  refused('two lengths that differ', `${OK}Content-Length: 5\r\nContent-Length: 6\r\n`),
  refused('two codings', `${OK}${CHUNKED}${CHUNKED}`, '0\r\n\r\n'),
  refused('a coding in HTTP/1.0', `HTTP/1.0 200 OK\r\n${CHUNKED}`, '0\r\n\r\n'),
  ...LINES.map(([name, lines]) => refused(`head: ${name}`, `${OK}${lines}`)),
  ...STATUS_LINES.map(([name, line]) => refused(`status line: ${name}`, `${line}\r\nContent-Length: 5\r\n`)),
  ...CHUNKS.map(([name, content]) => ({
    name: `chunks: ${name}`,
    bytes: [`${OK}${CHUNKED}\r\n5\r\nhello\r\n`, content],
    outcome: 'broken',
  })),
  {
    name: 'two equal lengths become one',
    bytes: [`${OK}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`],
    outcome: '200 hello',
    has: /^content-length: 5$/im,
    hasNot: /content-length[\s\S]*content-length/i,
  },
  { name: 'chunks', bytes: [`${OK}${CHUNKED}\r\n5\r\nhello\r\n0\r\n\r\n`], outcome: '200 hello' },
  { name: 'a second response in the same packet', bytes: [HELLO + STOLEN], outcome: '200 hello' },
  { name: 'a second response in another packet', bytes: [HELLO, STOLEN], outcome: '200 hello' },
  { name: 'the beginning of a second response', bytes: [`${HELLO}HTTP/1.1 200`], outcome: '200 hello' },
  { name: 'more content than the length says', bytes: [`${HELLO}, world`], outcome: '200 hello' },
  {
    name: 'a second response behind chunks',
    bytes: [`${OK}${CHUNKED}\r\n5\r\nhello\r\n0\r\n\r\n${STOLEN}`],
    outcome: '200 hello',
  },
  { name: 'content behind 204', bytes: [`HTTP/1.1 204 No Content\r\n\r\n${STOLEN}`], outcome: '204' },
  {
    name: '204 with a length',
    bytes: [`HTTP/1.1 204 No Content\r\nContent-Length: ${STOLEN.length}\r\n\r\n${STOLEN}`],
    outcome: '204',
    hasNot: /content-length/i,
  },
  {
    name: '204 with a coding',
    bytes: [`HTTP/1.1 204 No Content\r\n${CHUNKED}\r\n0\r\n\r\n`],
    outcome: '204',
    hasNot: /transfer-encoding/i,
  },
  { name: 'content behind 304', bytes: [`HTTP/1.1 304 Not Modified\r\n\r\n${STOLEN}`], outcome: '304' },
  {
    name: 'content behind the answer to HEAD',
    method: 'HEAD',
    bytes: [`${OK}Content-Length: ${STOLEN.length}\r\n\r\n${STOLEN}`],
    outcome: '200',
  },
  {
    name: 'chunks behind the answer to HEAD',
    method: 'HEAD',
    bytes: [`${OK}${CHUNKED}\r\n6\r\nstolen\r\n0\r\n\r\n`],
    outcome: '200',
  },
  {
    name: '101 that nobody asked for',
    bytes: ['HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'],
    outcome: '502',
  },
  { name: '100 in front', bytes: [`HTTP/1.1 100 Continue\r\n\r\n${HELLO}`], outcome: '200 hello' },
  {
    name: '103 with a length has no content',
    bytes: [`HTTP/1.1 103 Early Hints\r\nContent-Length: ${HELLO.length}\r\n\r\n${HELLO}`],
    outcome: '200 hello',
  },
  {
    name: 'content up to the end of the connection',
    bytes: [`${OK}\r\nhel`, 'lo'],
    closes: true,
    outcome: '200 hello',
  },
  {
    name: 'less content than the length says',
    bytes: [`${OK}Content-Length: 9\r\n\r\nhello`],
    closes: true,
    outcome: 'broken',
  },
  { name: 'chunks without their end', bytes: [`${OK}${CHUNKED}\r\n5\r\nhello\r\n`], closes: true, outcome: 'broken' },
  { name: 'an end in the head', bytes: [`${OK}Content-Length: 5\r\n`], closes: true, outcome: '502' },
  {
    name: 'fields of the connection stay behind',
    bytes: [
      `${OK}Connection: x-hop\r\nX-Hop: a\r\nKeep-Alive: timeout=5\r\nProxy-Connection: close\r\nUpgrade: h2c\r\nX-End: b\r\nContent-Length: 5\r\n\r\nhello`,
    ],
    outcome: '200 hello',
    has: /^x-end: b$/im,
    hasNot: /^(x-hop|keep-alive|proxy-connection|upgrade):/im,
  },
  {
    name: 'Connection names Content-Length, which stays',
    bytes: [`${OK}Connection: content-length, :status\r\nContent-Length: 5\r\n\r\nhello`],
    outcome: '200 hello',
    has: /^content-length: 5$/im,
  },
  {
    name: 'trailers that would frame are dropped',
    bytes: [
      `${OK}${CHUNKED}\r\n5\r\nhello\r\n0\r\nContent-Length: 44\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`,
    ],
    outcome: '200 hello',
  },
]
