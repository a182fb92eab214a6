/**
 * HTTP/2 requests that become HTTP/1 behind the inbound proxy: what they must not carry over (RFC 9113 §8.2, §8.3, §10.3).
 * `{id}` stands for the case; a target that ends with `-smuggled` is one the client never meant.
 */
import type { Fields } from './raw-http2.ts'

export type Http2Outcome =
  /** The stream is reset with PROTOCOL_ERROR; the origin gets no complete request. */
  | 'malformed'
  /** The origin gets exactly this request, as `METHOD target "content"`. */
  | { readonly forwards: string }
  /** Malformed, which shows only when the request is out: the origin may get this much of it, and no more. */
  | { readonly getsAtMost: string }
  /** The proxy answers so, and the origin gets nothing. */
  | { readonly answers: number }

export interface Http2Case {
  readonly name: string
  readonly fields: Fields
  /** DATA frames; without them HEADERS ends the stream. */
  readonly content?: readonly string[]
  readonly trailers?: Fields
  readonly outcome: Http2Outcome
  readonly has?: RegExp
  readonly hasNot?: RegExp
}

const VERSION = ['l5d-orig-proto', 'HTTP/1.1'] as const
const SMUGGLED = 'GET /{id}-smuggled HTTP/1.1\r\nHost: web\r\n\r\n'

const method = (value: string) => [':method', value] as const
const scheme = [':scheme', 'http'] as const
const authority = (value: string) => [':authority', value] as const
const path = (value: string) => [':path', value] as const
const PATH = path('/{id}')
const WEB = authority('web')
const GET: Fields = [method('GET'), scheme, WEB, PATH, VERSION]
const POST: Fields = [method('POST'), scheme, WEB, PATH, VERSION]

/** Bytes that end a line, a word or a name for some reader. */
const INJECTIONS: readonly (readonly [name: string, text: string])[] = [
  ['CR LF and a field', '\r\nx-smuggled: y'],
  ['CR LF and a coding', '\r\ntransfer-encoding: chunked'],
  ['CR LF and a request', `\r\n\r\n${SMUGGLED}`],
  ['a bare LF', '\nx-smuggled: y'],
  ['a bare CR', '\rx-smuggled: y'],
  ['NUL', '\0'],
  ['CR LF at the end', '\r\n'],
  ['LF at the end', '\n'],
  ['CR at the end', '\r'],
  ['a vertical tab', '\x0bx: y'],
  ['a form feed', '\x0cx: y'],
  ['a file separator', '\x1cx: y'],
  ['a record separator', '\x1ex: y'],
  ['DEL', '\x7f'],
  ['a space', ' '],
  ['a space and more', ' HTTP/1.1'],
  ['a tab', '\tx'],
]

const inPlaces: Http2Case[] = INJECTIONS.flatMap(([name, text]) => [
  { name: `:method with ${name}`, fields: [method(`GET${text}`), ...GET.slice(1)], outcome: 'malformed' as const },
  {
    name: `:path with ${name}`,
    fields: [method('GET'), scheme, WEB, path(`/{id}${text}`), VERSION],
    outcome: 'malformed' as const,
  },
  {
    name: `:authority with ${name}`,
    fields: [method('GET'), scheme, authority(`web${text}`), PATH, VERSION],
    outcome: 'malformed' as const,
  },
  {
    name: `:scheme with ${name}`,
    fields: [method('GET'), [':scheme', `http${text}`], WEB, PATH, VERSION],
    outcome: 'malformed' as const,
  },
  {
    name: `host with ${name}`,
    fields: [method('GET'), scheme, PATH, VERSION, ['host', `web${text}`]],
    outcome: 'malformed' as const,
  },
  { name: `a name with ${name}`, fields: [...GET, [`x${text}`, 'y']], outcome: 'malformed' as const },
  { name: `a name that begins with ${name}`, fields: [...GET, [`${text}x`, 'y']], outcome: 'malformed' as const },
  // Inside a value space and tab are legal.
  ...(text.startsWith(' H') || text.startsWith('\tx')
    ? []
    : [{ name: `a value with ${name}`, fields: [...GET, ['x', `y${text}`]] as Fields, outcome: 'malformed' as const }]),
  {
    name: `content-length with ${name}`,
    fields: [...POST, ['content-length', `5${text}`]],
    content: ['hello'],
    outcome: 'malformed' as const,
  },
  { name: `te with ${name}`, fields: [...GET, ['te', `trailers${text}`]], outcome: 'malformed' as const },
  {
    name: `l5d-orig-proto in absolute-form, and :authority with ${name}`,
    fields: [method('GET'), scheme, authority(`web${text}`), PATH, ['l5d-orig-proto', 'HTTP/1.1; absolute-form']],
    outcome: 'malformed' as const,
  },
])

const malformed = (name: string, fields: Fields, content?: readonly string[], trailers?: Fields): Http2Case => ({
  name,
  fields,
  ...(content && { content }),
  ...(trailers && { trailers }),
  outcome: 'malformed',
})

const names: Http2Case[] = [
  malformed('transfer-encoding', [...POST, ['transfer-encoding', 'chunked']], ['hello']),
  malformed('transfer-encoding: identity', [...POST, ['transfer-encoding', 'identity']], ['hello']),
  malformed('an empty transfer-encoding', [...POST, ['transfer-encoding', '']], ['hello']),
  malformed('connection', [...GET, ['connection', 'close']]),
  malformed(
    'connection that names content-length',
    [...POST, ['connection', 'content-length'], ['content-length', '5']],
    ['hello'],
  ),
  malformed('keep-alive', [...GET, ['keep-alive', 'timeout=5']]),
  malformed('proxy-connection', [...GET, ['proxy-connection', 'keep-alive']]),
  malformed('upgrade', [...GET, ['upgrade', 'h2c']]),
  malformed('te: chunked', [...GET, ['te', 'chunked']]),
  malformed('te: trailers, chunked', [...GET, ['te', 'trailers, chunked']]),
  malformed('a name in upper case', [...GET, ['Transfer-Encoding', 'chunked']]),
  malformed('a name with one letter in upper case', [...GET, ['transfer-encodinG', 'chunked']]),
  malformed('an empty name', [...GET, ['', 'y']]),
  malformed('a name that is a colon', [...GET, [':', 'y']]),
  malformed('a name with a colon', [...GET, ['x:y', 'z']]),
  malformed('a name with a colon and a space', [...GET, ['transfer-encoding: chunked\r\nx', 'z']]),
  malformed('a name with a colon at its end', [...GET, ['transfer-encoding:', 'chunked']]),
  malformed('a name with a space in front', [...GET, [' transfer-encoding', 'chunked']]),
  malformed('a name with a space behind', [...GET, ['transfer-encoding ', 'chunked']]),
  malformed('a name above 127', [...GET, ['x\xff', 'chunked']]),
  malformed('a name in quotes', [...GET, ['"transfer-encoding"', 'chunked']]),
  malformed('a value with a space in front', [...GET, ['x', ' y']]),
  malformed('a value with a tab in front', [...GET, ['x', '\ty']]),
]

const pseudo: Http2Case[] = [
  malformed('two :method', [method('GET'), method('POST'), ...GET.slice(1)]),
  malformed('two :path', [...GET.slice(0, 4), path('/{id}-smuggled'), VERSION]),
  malformed('two equal :path', [...GET.slice(0, 4), PATH, VERSION]),
  malformed('two :authority', [method('GET'), scheme, WEB, authority('other'), PATH, VERSION]),
  malformed('two :scheme', [method('GET'), scheme, scheme, WEB, PATH, VERSION]),
  malformed('no :method', [scheme, WEB, PATH, VERSION]),
  malformed('no :path', [method('GET'), scheme, WEB, VERSION]),
  malformed('no :scheme', [method('GET'), WEB, PATH, VERSION]),
  malformed('an empty :method', [method(''), scheme, WEB, PATH, VERSION]),
  malformed('an empty :path', [method('GET'), scheme, WEB, path(''), VERSION]),
  malformed('an empty :scheme', [method('GET'), [':scheme', ''], WEB, PATH, VERSION]),
  malformed('a pseudo-field behind a field', [method('GET'), scheme, WEB, VERSION, PATH]),
  malformed('an unknown pseudo-field', [...GET.slice(0, 4), [':host', 'web'], VERSION]),
  malformed(':status in a request', [...GET.slice(0, 4), [':status', '200'], VERSION]),
  malformed(':protocol without CONNECT', [...GET.slice(0, 4), [':protocol', 'websocket'], VERSION]),
  malformed('a :path that is no path', [method('GET'), scheme, WEB, path('{id}'), VERSION]),
  malformed('a :path that is a URI', [method('GET'), scheme, WEB, path('http://other/{id}'), VERSION]),
  malformed('a :path that begins with @', [method('GET'), scheme, WEB, path('@other/{id}'), VERSION]),
  malformed('a :path that begins with a port', [method('GET'), scheme, WEB, path(':81/{id}'), VERSION]),
  malformed('a :path with a fragment', [method('GET'), scheme, WEB, path('/{id}#x'), VERSION]),
  malformed('a :path of an asterisk for GET', [method('GET'), scheme, WEB, path('*'), VERSION]),
  malformed('a :path of an asterisk and more', [method('OPTIONS'), scheme, WEB, path('*{id}'), VERSION]),
  malformed('a :method with a colon', [method('GET:'), scheme, WEB, PATH, VERSION]),
  malformed('a :method that is a request line', [method(`GET /{id}-smuggled HTTP/1.1`), scheme, WEB, PATH, VERSION]),
  malformed('a :scheme that is a URI', [method('GET'), [':scheme', 'http://other/?'], WEB, PATH, VERSION]),
  malformed('userinfo in :authority', [method('GET'), scheme, authority('user@web'), PATH, VERSION]),
  malformed('a path in :authority', [method('GET'), scheme, authority('web/x'), PATH, VERSION]),
  malformed('a query in :authority', [method('GET'), scheme, authority('web?x'), PATH, VERSION]),
  malformed('a fragment in :authority', [method('GET'), scheme, authority('web#x'), PATH, VERSION]),
  malformed('a backslash in :authority', [method('GET'), scheme, authority('web\\x'), PATH, VERSION]),
  malformed('two ports in :authority', [method('GET'), scheme, authority('web:80:81'), PATH, VERSION]),
  malformed('a letter in the port of :authority', [method('GET'), scheme, authority('web:8o'), PATH, VERSION]),
  malformed('a port alone in :authority', [method('GET'), scheme, authority(':80'), PATH, VERSION]),
  malformed('an open bracket in :authority', [method('GET'), scheme, authority('[::1'), PATH, VERSION]),
  malformed('a host that differs from :authority', [...GET, ['host', 'other']]),
  malformed('a host with another port', [...GET, ['host', 'web:81']]),
  malformed('an empty host beside :authority', [...GET, ['host', '']]),
  malformed('two hosts', [method('GET'), scheme, PATH, VERSION, ['host', 'web'], ['host', 'other']]),
  malformed('two equal hosts', [method('GET'), scheme, PATH, VERSION, ['host', 'web'], ['host', 'web']]),
  malformed('a list in host', [method('GET'), scheme, PATH, VERSION, ['host', 'web, other x']]),
  malformed('userinfo in host', [method('GET'), scheme, PATH, VERSION, ['host', 'user@web']]),
  malformed('CONNECT with :path', [method('CONNECT'), authority('{id}:80'), PATH, VERSION]),
  malformed('CONNECT without :authority', [method('CONNECT'), VERSION]),
  malformed(
    'CONNECT with a content-length',
    [method('CONNECT'), authority('{id}:80'), VERSION, ['content-length', '5']],
    ['hello'],
  ),
]

const LENGTHS = ['+5', '-5', '0x5', '5, 5', '5,', '5 0', '', '5.0', 'x', '5;', '1e1', '18446744073709551621', '\xb2']
const content: Http2Case[] = [
  ...LENGTHS.map((value) =>
    malformed(`content-length ${JSON.stringify(value)}`, [...POST, ['content-length', value]], ['hello']),
  ),
  malformed('two content-lengths that differ', [...POST, ['content-length', '5'], ['content-length', '0']], ['hello']),
  malformed('two equal content-lengths', [...POST, ['content-length', '5'], ['content-length', '5']], ['hello']),
  malformed('less content than its length (H2.CL)', [...POST, ['content-length', '6']], ['hello']),
  malformed('more content than its length (H2.CL)', [...POST, ['content-length', '4']], [`hell${SMUGGLED}`]),
  {
    name: 'more content than its length, in a second frame',
    fields: [...POST, ['content-length', '5']],
    content: ['hello', SMUGGLED],
    outcome: { getsAtMost: 'POST /{id} "hello"' },
  },
  {
    name: 'content behind content-length: 0',
    fields: [...POST, ['content-length', '0']],
    content: [SMUGGLED],
    outcome: { getsAtMost: 'POST /{id} ""' },
  },
  malformed('a length, and no content', [...POST, ['content-length', '5']]),
  malformed('a length in a GET, and no content', [...GET, ['content-length', '5']]),
  malformed(
    'less content than its length, and trailers',
    [...POST, ['content-length', '6']],
    ['hello'],
    [['x-sum', '7']],
  ),
  malformed('trailers with a pseudo-field', POST, ['hello'], [[':path', '/{id}-smuggled']]),
  malformed('trailers with transfer-encoding', POST, ['hello'], [['transfer-encoding', 'chunked']]),
  malformed('trailers with connection', POST, ['hello'], [['connection', 'close']]),
  malformed('trailers with CR LF', POST, ['hello'], [['x', `y\r\n\r\n${SMUGGLED}`]]),
  malformed('trailers with CR LF in a name', POST, ['hello'], [[`x: y\r\n\r\n${SMUGGLED}z`, 'y']]),
  malformed('trailers with a name in upper case', POST, ['hello'], [['X', 'y']]),
]

const accepted: Http2Case[] = [
  { name: 'a plain request', fields: GET, outcome: { forwards: 'GET /{id} ""' }, has: /^host: web$/m },
  {
    name: 'content without a length is chunked',
    fields: POST,
    content: ['hel', '', 'lo'],
    outcome: { forwards: 'POST /{id} "hello"' },
    has: /^transfer-encoding: chunked$/m,
  },
  {
    name: 'content that looks like the end of a chunk and a request',
    fields: POST,
    content: [`0\r\n\r\n${SMUGGLED}`],
    outcome: { forwards: `POST /{id} ${JSON.stringify(`0\r\n\r\n${SMUGGLED}`)}` },
  },
  {
    name: 'content of a GET',
    fields: GET,
    content: [SMUGGLED],
    outcome: { forwards: `GET /{id} ${JSON.stringify(SMUGGLED)}` },
  },
  {
    name: 'content with its length',
    fields: [...POST, ['content-length', '5']],
    content: ['hel', 'lo'],
    outcome: { forwards: 'POST /{id} "hello"' },
    has: /^content-length: 5$/m,
    hasNot: /transfer-encoding/,
  },
  {
    name: 'content with its length in HTTP/1.0',
    fields: [...POST.slice(0, 4), ['l5d-orig-proto', 'HTTP/1.0'], ['content-length', '5']],
    content: ['hello'],
    outcome: { forwards: 'POST /{id} "hello"' },
  },
  {
    name: 'content without a length in HTTP/1.0 would end nowhere',
    fields: [...POST.slice(0, 4), ['l5d-orig-proto', 'HTTP/1.0']],
    content: [SMUGGLED],
    outcome: { forwards: `POST /{id} ${JSON.stringify(SMUGGLED)}` },
    has: /^transfer-encoding: chunked$/m,
  },
  {
    name: 'trailers that would frame, route or authenticate are dropped',
    fields: POST,
    content: ['hello'],
    trailers: [
      ['content-length', '44'],
      ['host', 'evil'],
      ['te', 'trailers'],
      ['trailer', 'x'],
      ['l5d-client-id', 'root'],
      ['x-sum', '7'],
    ],
    outcome: { forwards: 'POST /{id} "hello"' },
  },
  {
    name: 'trailers behind content with a length are dropped',
    fields: [...POST, ['content-length', '5']],
    content: ['hello'],
    trailers: [['x-sum', '7']],
    outcome: { forwards: 'POST /{id} "hello"' },
  },
  {
    name: 'host without :authority',
    fields: [method('GET'), scheme, PATH, VERSION, ['host', 'web']],
    outcome: { forwards: 'GET /{id} ""' },
    has: /^host: web$/m,
  },
  {
    name: 'host beside :authority in another case is one Host',
    fields: [...GET, ['host', 'WEB']],
    outcome: { forwards: 'GET /{id} ""' },
    has: /^host: web$/im,
  },
  {
    name: 'host beside :authority with the port of its scheme is one Host',
    fields: [...GET, ['host', 'web:80']],
    outcome: { forwards: 'GET /{id} ""' },
    has: /^host: web$/im,
  },
  {
    name: 'neither host nor :authority',
    fields: [method('GET'), scheme, PATH, VERSION],
    outcome: { forwards: 'GET /{id} ""' },
    has: /^host: $/m,
  },
  {
    name: 'absolute-form',
    fields: [...GET.slice(0, 4), ['l5d-orig-proto', 'HTTP/1.1; absolute-form'], ['host', 'web']],
    outcome: { forwards: 'GET http://web/{id} ""' },
    has: /^host: web$/m,
  },
  {
    name: 'absolute-form without an authority',
    fields: [method('GET'), scheme, authority(''), PATH, ['l5d-orig-proto', 'HTTP/1.1; absolute-form']],
    outcome: { forwards: 'GET /{id} ""' },
    has: /^host: $/m,
  },
  {
    name: 'l5d-orig-proto twice, and with other text',
    fields: [...GET.slice(0, 4), ['l5d-orig-proto', 'HTTP/2.0 x'], ['l5d-orig-proto', 'HTTP/1.0']],
    outcome: { forwards: 'GET /{id} ""' },
    hasNot: /orig-proto/,
  },
  {
    name: 'several cookies become one',
    fields: [...GET, ['cookie', 'a=b'], ['x', 'y'], ['cookie', 'c=d']],
    outcome: { forwards: 'GET /{id} ""' },
    has: /^cookie: a=b; c=d$/m,
  },
  {
    name: 'encoded line ends stay encoded',
    fields: [method('GET'), scheme, WEB, path('/{id}%0d%0aX:%20y'), VERSION, ['x', '%0d%0ay: z']],
    outcome: { forwards: 'GET /{id}%0d%0aX:%20y ""' },
    has: /^x: %0d%0ay: z$/m,
  },
  {
    name: 'a name in the name of the mesh',
    fields: [...GET, ['l5d-client-id', 'root']],
    outcome: { forwards: 'GET /{id} ""' },
    hasNot: /root/,
  },
  {
    name: 'CONNECT is not carried over: its DATA would be the next request',
    fields: [method('CONNECT'), authority('{id}:80'), VERSION],
    content: [SMUGGLED],
    outcome: { answers: 502 },
  },
]

export const HTTP2_CASES: readonly Http2Case[] = [...inPlaces, ...names, ...pseudo, ...content, ...accepted]
