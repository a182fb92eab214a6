import { test } from 'tap'
import { type Detected, detectHttp, MAX_REQUEST_LINE_BYTES } from './detect.ts'

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

function detect(text: string): Detected {
  const bytes = Buffer.from(`xx${text}`, 'latin1')
  return detectHttp(bytes, 2, bytes.length)
}

test('detectHttp', async (t) => {
  const cases: { name: string; text: string; detected: Detected }[] = [
    { name: 'nothing', text: '', detected: 'partial' },
    { name: 'the HTTP/2 preface', text: PREFACE, detected: 'http2' },
    { name: 'the preface and a frame', text: `${PREFACE}\0\0\0\x04\0\0\0\0\0`, detected: 'http2' },
    { name: 'GET', text: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', detected: 'http1' },
    { name: 'HTTP/1.0', text: 'GET / HTTP/1.0\r\n\r\n', detected: 'http1' },
    { name: 'as soon as the version begins', text: 'GET /a?b HTTP/1.', detected: 'http1' },
    { name: 'absolute-form', text: 'GET http://a/ HTTP/1.1\r\n', detected: 'http1' },
    { name: 'asterisk-form', text: 'OPTIONS * HTTP/1.1\r\n', detected: 'http1' },
    { name: 'authority-form', text: 'CONNECT a:1 HTTP/1.1\r\n', detected: 'http1' },
    { name: 'authority-form that begins like asterisk-form', text: 'CONNECT *.a:1 HTTP/1.1\r\n', detected: 'http1' },
    { name: 'an unknown method', text: 'M-SEARCH / HTTP/1.1\r\n', detected: 'http1' },
    { name: 'an empty line in front', text: '\r\nGET / HTTP/1.1\r\n', detected: 'http1' },
    { name: 'HTTP/1 with the method of the preface', text: 'PRI * HTTP/1.1\r\n', detected: 'http1' },
    { name: 'a TLS ClientHello', text: '\x16\x03\x01', detected: 'not-http' },
    { name: 'a byte of zero', text: '\0', detected: 'not-http' },
    { name: 'Redis', text: '*1\r\n$4\r\nPING\r\n', detected: 'not-http' },
    { name: 'Redis inline', text: 'PING\r\n', detected: 'not-http' },
    { name: 'words', text: 'SET key value\r\n', detected: 'not-http' },
    { name: 'words, as soon as the second ends', text: 'SET key ', detected: 'not-http' },
    { name: 'memcached', text: 'get a\r\n', detected: 'not-http' },
    { name: 'SMTP', text: 'EHLO a.b\r\n', detected: 'not-http' },
    { name: 'SSH', text: 'SSH-2.0-OpenSSH_9.2\r\n', detected: 'not-http' },
    { name: 'PostgreSQL', text: '\0\0\0\x08\x04\xd2\x16\x2f', detected: 'not-http' },
    { name: 'HTTP/0.9', text: 'GET /\r\n', detected: 'not-http' },
    { name: 'a broken preface', text: 'PRI * HTTP/2.0\r\n\r\nXX', detected: 'not-http' },
    { name: 'a long word', text: 'x'.repeat(25), detected: 'not-http' },
    { name: 'a space first', text: ' GET / HTTP/1.1', detected: 'not-http' },
    { name: 'RTSP', text: 'OPTIONS rtsp://a/b RTSP/1.0\r\n', detected: 'not-http' },
    { name: 'an endless target', text: `GET /${'x'.repeat(MAX_REQUEST_LINE_BYTES)}`, detected: 'http1' },
    { name: 'a long target', text: `GET /${'x'.repeat(MAX_REQUEST_LINE_BYTES - 100)}`, detected: 'partial' },
  ]
  for (const { name, text, detected } of cases) {
    t.equal(detect(text), detected, name)
    let settled: Detected = 'partial'
    for (let length = 0; length <= text.length; length++) {
      const now = detect(text.slice(0, length))
      if (settled !== 'partial' && now !== settled) t.fail(`${name}: ${settled} after ${length - 1} bytes, then ${now}`)
      settled = now
    }
  }
})
