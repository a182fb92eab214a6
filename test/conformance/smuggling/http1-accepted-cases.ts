/** Requests that are taken, and what the origin must and must not get of them. */
import { CHUNKED, GET, type Http1Case, hello, POST, plainGet, SMUGGLED } from './http1-case.ts'

export const ACCEPTED_CASES: readonly Http1Case[] = [
  { name: 'one empty line in front', bytes: `\r\n${GET}\r\n`, outcome: plainGet },
  { name: 'a value of spaces and tabs', bytes: `${GET}X: \t \r\n\r\n`, outcome: plainGet },
  { name: 'a byte above 127 in a value', bytes: `${GET}X: \xff\x85\xa0\r\n\r\n`, outcome: plainGet },
  { name: 'a name of odd token characters', bytes: `${GET}!#$%&'*+-.^_\`|~: y\r\n\r\n`, outcome: plainGet },
  {
    name: 'two slashes in front of the path are a path, not an authority',
    bytes: 'GET //{id}/x HTTP/1.1\r\nHost: web\r\n\r\n',
    outcome: { forwards: ['GET //{id}/x ""'] },
    has: /^host: web$/im,
  },
  {
    name: 'a path that looks like a URI',
    bytes: 'GET /http://other/{id} HTTP/1.1\r\nHost: web\r\n\r\n',
    outcome: { forwards: ['GET /http://other/{id} ""'] },
  },
  {
    name: 'encoded line ends in the path stay encoded',
    bytes: 'GET /{id}%0d%0aX:%20y HTTP/1.1\r\nHost: web\r\n\r\n',
    outcome: { forwards: ['GET /{id}%0d%0aX:%20y ""'] },
  },
  {
    name: 'encoded line ends in a value stay encoded',
    bytes: `${GET}X: a%0d%0aY: b\r\n\r\n`,
    outcome: plainGet,
    has: /^x: a%0d%0aY: b$/im,
  },
  {
    name: 'the authority of the target replaces a Host that differs',
    bytes: 'GET http://web/{id} HTTP/1.1\r\nHost: other\r\n\r\n',
    outcome: { forwards: ['GET http://web/{id} ""'] },
    has: /^host: web$/im,
    hasNot: /other/,
  },
  {
    name: 'the authority of the target replaces an empty Host',
    bytes: 'GET http://web:81/{id} HTTP/1.1\r\nHost:\r\n\r\n',
    outcome: { forwards: ['GET http://web:81/{id} ""'] },
    has: /^host: web:81$/im,
  },
  {
    name: 'HTTP/1.0 in absolute-form gets the Host of its target',
    bytes: 'GET http://web/{id} HTTP/1.0\r\nHost: other\r\nConnection: keep-alive\r\n\r\n',
    outcome: { forwards: ['GET http://web/{id} ""'] },
    hasNot: /other/,
  },
  {
    name: "HTTP/1.0 ends its connection: what follows is nobody's",
    bytes: `GET /{id} HTTP/1.0\r\nHost: web\r\n\r\n${SMUGGLED}`,
    outcome: { forwards: ['GET /{id} ""'], closes: true },
  },
  {
    name: 'HTTP/1.0 is not kept alive by Proxy-Connection or Keep-Alive',
    bytes: `GET /{id} HTTP/1.0\r\nHost: web\r\nProxy-Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n${SMUGGLED}`,
    outcome: { forwards: ['GET /{id} ""'], closes: true },
  },
  {
    name: "Connection: close ends the connection: what follows is nobody's",
    bytes: `${GET}Connection: close\r\n\r\n${SMUGGLED}`,
    outcome: { forwards: ['GET /{id} ""'], closes: true },
  },
  {
    name: 'Connection names Content-Length, which stays',
    bytes: `${POST}Connection: Content-Length\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    outcome: { forwards: [`POST /{id} ${JSON.stringify(SMUGGLED)}`] },
    hasNot: /^connection:/im,
  },
  {
    name: 'Connection names Transfer-Encoding, which stays',
    bytes: `${POST}Connection: transfer-encoding\r\n${CHUNKED}\r\n5\r\nhello\r\n0\r\n\r\n`,
    outcome: hello,
    hasNot: /^connection:/im,
  },
  {
    name: 'Connection names Host, which stays',
    bytes: `${GET}Connection: keep-alive, host\r\n\r\n`,
    outcome: plainGet,
    has: /^host: web$/im,
  },
  {
    name: 'Connection names pseudo-fields, which are no fields',
    bytes: `${GET}Connection: :method, :path, :authority, :scheme\r\n\r\n`,
    outcome: plainGet,
    hasNot: /^connection:/im,
  },
  {
    name: 'Connection names a field, which goes with it',
    bytes: `${GET}Connection: x-secret ,, X-Other\r\nX-Secret: a\r\nx-other: b\r\nX-Third: c\r\n\r\n`,
    outcome: plainGet,
    has: /^x-third: c$/im,
    hasNot: /^(x-secret|x-other|connection):/im,
  },
  {
    name: 'fields of the connection stay behind',
    bytes: `${GET}Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\nUpgrade: x\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`,
    outcome: plainGet,
    hasNot: /^(keep-alive|proxy-connection|te|upgrade|http2-settings):/im,
  },
  {
    name: 'h2c',
    bytes: `${GET}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`,
    outcome: plainGet,
    hasNot: /^(upgrade|http2-settings|connection):/im,
  },
  {
    name: 'h2c in a list',
    bytes: `${GET}Connection: Upgrade\r\nUpgrade: websocket, H2C\r\n\r\n`,
    outcome: plainGet,
    hasNot: /h2c/i,
  },
  {
    name: 'h2c in a first Upgrade field of two',
    bytes: `${GET}Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n\r\n`,
    outcome: plainGet,
    hasNot: /h2c/i,
  },
  {
    name: 'h2c in a second Upgrade field',
    bytes: `${GET}Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n\r\n`,
    outcome: plainGet,
    hasNot: /h2c/i,
  },
  {
    name: 'h2 and HTTP/2.0',
    bytes: `${GET}Connection: Upgrade\r\nUpgrade: HTTP/2.0, h2\r\n\r\n`,
    outcome: plainGet,
    hasNot: /^upgrade:/im,
  },
  {
    name: 'an upgrade that is not granted: what follows is a request',
    bytes: `${GET}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n\r\nGET /{id}-second HTTP/1.1\r\nHost: web\r\n\r\n`,
    outcome: { forwards: ['GET /{id} ""', 'GET /{id}-second ""'] },
  },
  {
    name: 'CONNECT that is refused: what follows is a request',
    bytes: 'CONNECT {id}:80 HTTP/1.1\r\nHost: {id}:80\r\n\r\nGET /{id}-second HTTP/1.1\r\nHost: web\r\n\r\n',
    outcome: { forwards: ['CONNECT {id}:80 ""', 'GET /{id}-second ""'] },
  },
  {
    name: 'Expect with the content behind it',
    bytes: `${POST}Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello`,
    outcome: hello,
  },
  {
    name: 'Expect that nobody knows',
    bytes: `${POST}Expect: y 100-continue\r\nContent-Length: 5\r\n\r\nhello`,
    outcome: hello,
  },
  {
    name: 'a HEAD with content',
    bytes: `PUT /{id} HTTP/1.1\r\nHost: web\r\nX-HTTP-Method-Override: HEAD\r\nContent-Length: 5\r\n\r\nhello`,
    outcome: { forwards: ['PUT /{id} "hello"'] },
  },
  {
    name: 'a pipeline of three',
    bytes: `${GET}\r\n${POST}Content-Length: 5\r\n\r\nhelloGET /{id}-third HTTP/1.1\r\nHost: web\r\n\r\n`,
    outcome: { forwards: ['GET /{id} ""', 'POST /{id} "hello"', 'GET /{id}-third ""'] },
  },
  {
    name: "the field by which two proxies carry HTTP/1 over HTTP/2 is no client's to write",
    bytes: `${GET}l5d-orig-proto: HTTP/1.0; absolute-form\r\n\r\n`,
    outcome: plainGet,
    hasNot: /orig-proto/,
  },
]
