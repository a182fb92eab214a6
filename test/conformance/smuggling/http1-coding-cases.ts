/** Requests whose Transfer-Encoding could be read in two ways. */
import { CHUNKED, GET, type Http1Case, hello, POST, refused, SMUGGLED } from './http1-case.ts'

const both: Http1Case[] = [
  {
    name: 'CL.TE',
    bytes: `${POST}Content-Length: 6\r\n${CHUNKED}\r\n0\r\n\r\nG`,
    outcome: refused,
  },
  {
    name: 'CL.TE with a whole request behind the last chunk',
    bytes: `${POST}Content-Length: ${5 + SMUGGLED.length}\r\n${CHUNKED}\r\n0\r\n\r\n${SMUGGLED}`,
    outcome: refused,
  },
  {
    name: 'TE.CL',
    bytes: `${POST}${CHUNKED}Content-Length: 4\r\n\r\n41\r\n${SMUGGLED}\r\n0\r\n\r\n`,
    outcome: refused,
  },
  {
    name: 'Content-Length: 0 with Transfer-Encoding',
    bytes: `${POST}Content-Length: 0\r\n${CHUNKED}\r\n0\r\n\r\n`,
    outcome: refused,
  },
  {
    name: 'both, with other fields between them',
    bytes: `${POST}content-length: 5\r\nX: y\r\nX: y\r\ntransfer-encoding: CHUNKED\r\n\r\n0\r\n\r\n`,
    outcome: refused,
  },
  { name: 'both in a GET', bytes: `${GET}Content-Length: 5\r\n${CHUNKED}\r\n0\r\n\r\n`, outcome: refused },
  {
    name: 'a broken length with a coding',
    bytes: `${POST}Content-Length: x\r\n${CHUNKED}\r\n0\r\n\r\n`,
    outcome: refused,
  },
]

/** Values of Transfer-Encoding that are not exactly `chunked`. */
const CODINGS: readonly (readonly [name: string, value: string, status?: number])[] = [
  ['xchunked', ' xchunked'],
  ['chunkedx', ' chunkedx'],
  ['chunk', ' chunk'],
  ['identity', ' identity'],
  ['an empty coding', ''],
  ['a coding of spaces', '  \t '],
  ['a comma alone', ' ,'],
  ['chunked and a comma', ' chunked,'],
  ['a comma and chunked', ' ,chunked'],
  ['chunked twice', ' chunked, chunked'],
  ['chunked, identity', ' chunked, identity'],
  ['identity, chunked', ' identity, chunked', 501],
  ['gzip, chunked', ' gzip, chunked', 501],
  ['chunked, gzip', ' chunked, gzip'],
  ['gzip', ' gzip'],
  ['two words', ' x chunked'],
  ['chunked chunked', ' chunked chunked'],
  ['a parameter', ' chunked;q=1'],
  ['a semicolon', ' chunked;'],
  ['double quotes', ' "chunked"'],
  ['single quotes', " 'chunked'"],
  ['brackets', ' [chunked]'],
  ['a vertical tab before', ' \x0bchunked'],
  ['a vertical tab behind', ' chunked\x0b'],
  ['a form feed before', ' \x0cchunked'],
  ['NUL behind', ' chunked\0'],
  ['NUL before', ' \0chunked'],
  ['a backspace', ' chunkedx\x08'],
  ['a no-break space before', ' \xa0chunked'],
  ['a no-break space behind', ' chunked\xa0'],
  ['NEL behind', ' chunked\x85'],
  ['0xff behind', ' chunked\xff'],
  ['a dotless letter', ' chun\xc4\xb1ked'],
  ['the Kelvin sign', ' chun\xe2\x84\xaaed'],
  ['a bare CR before', ' \rchunked'],
  ['a bare CR behind', ' chunked\r'],
  ['a bare LF before', ' \nchunked'],
  ['a folded value', '\r\n chunked'],
  ['a value folded with a tab', '\r\n\tchunked'],
  ['a value folded behind a bare LF', '\n chunked'],
  ['a continuation behind', ' chunked\r\n x'],
]

const codings: Http1Case[] = CODINGS.flatMap(([name, value, status = 400]) => [
  {
    name: `Transfer-Encoding with ${name}`,
    bytes: `${POST}Transfer-Encoding:${value}\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    outcome: { refused: status },
  },
  {
    name: `Transfer-Encoding with ${name}, and a length`,
    bytes: `${POST}Content-Length: 5\r\nTransfer-Encoding:${value}\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    // The coding is refused where it is read; an unsupported one is told as such before the two are weighed.
    outcome: { refused: status },
  },
])

/** Lines that are Transfer-Encoding to somebody. */
const CODING_LINES: readonly (readonly [name: string, line: string])[] = [
  ['a space before the colon', 'Transfer-Encoding : chunked'],
  ['a tab before the colon', 'Transfer-Encoding\t: chunked'],
  ['a vertical tab before the colon', 'Transfer-Encoding\x0b: chunked'],
  ['NUL before the colon', 'Transfer-Encoding\0: chunked'],
  ['a bare CR before the colon', 'Transfer-Encoding\r: chunked'],
  ['a bare LF before the colon', 'Transfer-Encoding\n: chunked'],
  ['CR LF before the colon', 'Transfer-Encoding\r\n: chunked'],
  ['a no-break space before the colon', 'Transfer-Encoding\xa0: chunked'],
  ['a space in front', ' Transfer-Encoding: chunked'],
  ['a tab in front', '\tTransfer-Encoding: chunked'],
  ['a vertical tab in front', '\x0bTransfer-Encoding: chunked'],
  ['NUL in front', '\0Transfer-Encoding: chunked'],
  ['a bare CR in front', '\rTransfer-Encoding: chunked'],
  ['0xff in front', '\xffTransfer-Encoding: chunked'],
  ['a space inside', 'Transfer Encoding: chunked'],
  ['NUL inside', 'Transfer\0-Encoding: chunked'],
  ['a bare CR inside', 'Transfer-\rEncoding: chunked'],
  ['no colon', 'Transfer-Encoding chunked'],
  ['an equals sign', 'Transfer-Encoding= chunked'],
  ['a semicolon for the colon', 'Transfer-Encoding; chunked'],
  ['a colon in front', ':Transfer-Encoding: chunked'],
  ['an empty name in front', ': Transfer-Encoding: chunked'],
  ['the name in quotes', '"Transfer-Encoding": chunked'],
  ['a slash in the name', 'Transfer/Encoding: chunked'],
  ['the name as a second line of a value with a bare LF', 'X: y\nTransfer-Encoding: chunked'],
  ['the name as a second line of a value with a bare CR', 'X: y\rTransfer-Encoding: chunked'],
  ['the name behind LF CR', 'X: y\n\rTransfer-Encoding: chunked'],
  ['the name behind NUL', 'X: y\0Transfer-Encoding: chunked'],
  ['the name behind a vertical tab', 'X: y\x0bTransfer-Encoding: chunked'],
  ['the name behind a file separator', 'X: y\x1cTransfer-Encoding: chunked'],
  ['CR CR LF', 'Transfer-Encoding: chunked\r'],
]

const codingLines: Http1Case[] = CODING_LINES.flatMap(([name, line]) => [
  {
    name: `Transfer-Encoding with ${name}`,
    bytes: `${POST}${line}\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    outcome: refused,
  },
  {
    name: `Transfer-Encoding with ${name}, and a length`,
    bytes: `${POST}Content-Length: 5\r\n${line}\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    outcome: refused,
  },
])

const codingFields: Http1Case[] = [
  { name: 'Transfer-Encoding: chunked twice', bytes: `${POST}${CHUNKED}${CHUNKED}\r\n0\r\n\r\n`, outcome: refused },
  {
    name: 'Transfer-Encoding: identity, then chunked',
    bytes: `${POST}Transfer-Encoding: identity\r\n${CHUNKED}\r\n0\r\n\r\n`,
    outcome: refused,
  },
  {
    name: 'Transfer-Encoding: chunked, then identity',
    bytes: `${POST}${CHUNKED}Transfer-Encoding: identity\r\n\r\n0\r\n\r\n`,
    outcome: refused,
  },
  {
    name: 'Transfer-Encoding: chunked, then something else in another case',
    bytes: `${POST}${CHUNKED}Transfer-encoding: cow\r\n\r\n0\r\n\r\n`,
    outcome: refused,
  },
  {
    name: 'Transfer-Encoding: chunked, then an empty one',
    bytes: `${POST}${CHUNKED}Transfer-Encoding:\r\n\r\n0\r\n\r\n`,
    outcome: refused,
  },
  {
    name: 'Transfer-Encoding in HTTP/1.0',
    bytes: `POST /{id} HTTP/1.0\r\nHost: web\r\nConnection: keep-alive\r\n${CHUNKED}\r\n0\r\n\r\n${SMUGGLED}`,
    outcome: refused,
  },
  {
    name: 'Transfer-Encoding and Content-Length in HTTP/1.0',
    bytes: `POST /{id} HTTP/1.0\r\nHost: web\r\nContent-Length: 5\r\n${CHUNKED}\r\n0\r\n\r\n${SMUGGLED}`,
    outcome: refused,
  },
  {
    name: 'Transfer-Encoding in any case, with spaces and a tab around chunked',
    bytes: `${POST}tRANSFER-eNCODING: \t cHUNKED \t \r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    outcome: hello,
    has: /^transfer-encoding: chunked$/m,
  },
  {
    name: 'Transfer_Encoding, which is another field',
    bytes: `${POST}Content-Length: 5\r\nTransfer_Encoding: gzip\r\n\r\nhello`,
    outcome: hello,
  },
  {
    name: 'X-Transfer-Encoding, which is another field',
    bytes: `${POST}Content-Length: 5\r\nX-Transfer-Encoding2: gzip\r\n\r\nhello`,
    outcome: hello,
  },
  {
    name: 'chunked in a GET',
    bytes: `${GET}${CHUNKED}\r\n5\r\nhello\r\n0\r\n\r\n`,
    outcome: { forwards: ['GET /{id} "hello"'] },
  },
]

export const CODING_CASES: readonly Http1Case[] = [...both, ...codings, ...codingLines, ...codingFields]
