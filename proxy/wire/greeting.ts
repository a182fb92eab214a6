/** What a server says before it was asked: a greeting of its own protocol, or something that only an HTTP server says. */
import { FRAME_HEADER_LENGTH, FrameType } from './frame.ts'

const STATUS_LINE = Buffer.from('HTTP/', 'latin1')

/**
 * Whether `buf` begins like an HTTP server that lost patience (408 and its like) or that sends its HTTP/2 preface before the
 * client's, which many do. In doubt it does: a connection that waits for detection is slow, one that misses it is wrong.
 */
export function isHttpGreeting(buf: Uint8Array): boolean {
  return beginsWithStatusLine(buf) || beginsWithSettings(buf)
}

function beginsWithStatusLine(buf: Uint8Array): boolean {
  const length = Math.min(buf.length, STATUS_LINE.length)
  for (let at = 0; at < length; at++) if (buf[at] !== STATUS_LINE[at]) return false
  return true
}

/** RFC 9113 §3.4, §6.5: a SETTINGS frame without flags on stream 0, whose length is some parameters of six bytes. */
function beginsWithSettings(buf: Uint8Array): boolean {
  for (let at = 0; at < Math.min(buf.length, FRAME_HEADER_LENGTH); at++) {
    const byte = buf[at]!
    if (at === 1 || at === 2) continue
    if (byte !== (at === 3 ? FrameType.settings : 0)) return false
  }
  return buf.length < 3 || ((buf[1]! << 8) | buf[2]!) % 6 === 0
}
