/** HTTP/2 frames as a test writes and reads them: builders for what a peer sends, one line of text for what it gets. */
import { u24, u31, u32 } from '../wire/bytes.ts'
import { errorName } from '../wire/connection-error.ts'
import { CLIENT_PREFACE, Flag, FRAME_HEADER_LENGTH, FrameType, Setting } from '../wire/frame.ts'
import { writeFrameHeader } from '../wire/frame-writer.ts'
import { Head } from '../wire/head.ts'
import { HpackDecoder } from '../wire/hpack-decoder.ts'
import { writeHpackBlock } from '../wire/hpack-encoder.ts'
import { MemoryOutput } from '../wire/output.ts'

export type Fields = readonly (readonly [name: string, value: string])[]

export const GET: Fields = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'web'],
  [':path', '/'],
]
export const POST: Fields = [[':method', 'POST'], ...GET.slice(1)]

export function frame(type: number, flags: number, streamId: number, payload: Buffer | string = ''): Buffer {
  const out = new MemoryOutput()
  const bytes = Buffer.from(payload as string)
  writeFrameHeader(out, bytes.length, type, flags, streamId)
  return Buffer.concat([out.taken(), bytes])
}

export function block(fields: Fields): Buffer {
  const head = new Head()
  for (const [name, value] of fields) head.add(name, value)
  const out = new MemoryOutput()
  writeHpackBlock(out, head)
  return out.taken()
}

export function headers(streamId: number, fields: Fields, ends: 'end' | 'more' = 'end'): Buffer {
  const flags = Flag.endHeaders | (ends === 'end' ? Flag.endStream : 0)
  return frame(FrameType.headers, flags, streamId, block(fields))
}

export function data(streamId: number, bytes: number | string, ends: 'end' | 'more' = 'more'): Buffer {
  const payload = typeof bytes === 'string' ? bytes : Buffer.alloc(bytes, 'd')
  return frame(FrameType.data, ends === 'end' ? Flag.endStream : 0, streamId, payload)
}

/** DATA with `padding` bytes of padding beside the byte that tells so. */
export function padded(streamId: number, bytes: number, padding: number, ends: 'end' | 'more' = 'more'): Buffer {
  const payload = Buffer.alloc(1 + bytes + padding)
  payload[0] = padding
  return frame(FrameType.data, Flag.padded | (ends === 'end' ? Flag.endStream : 0), streamId, payload)
}

export function settings(pairs: readonly (readonly [setting: number, value: number])[] = []): Buffer {
  const payload = Buffer.alloc(pairs.length * 6)
  pairs.forEach(([setting, value], at) => {
    payload.writeUInt16BE(setting, at * 6)
    payload.writeUInt32BE(value, at * 6 + 2)
  })
  return frame(FrameType.settings, 0, 0, payload)
}

export const settingsAck = frame(FrameType.settings, Flag.ack, 0)

export function windowUpdate(streamId: number, increment: number): Buffer {
  return frame(FrameType.windowUpdate, 0, streamId, uint32(increment))
}

export function rstStream(streamId: number, code: number): Buffer {
  return frame(FrameType.rstStream, 0, streamId, uint32(code))
}

export function goaway(lastStreamId: number, code: number): Buffer {
  return frame(FrameType.goaway, 0, 0, Buffer.concat([uint32(lastStreamId), uint32(code)]))
}

export function ping(text = 'pingpong', flags = 0): Buffer {
  return frame(FrameType.ping, flags, 0, text)
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** What opens a client's connection. */
export const clientStart = Buffer.concat([CLIENT_PREFACE, settings()])

/** Reads frames into lines such as `HEADERS 1 :status=200 end`, keeping the HPACK table of one connection. */
export class FrameText {
  readonly #decoder = new HpackDecoder(4_096)
  readonly #kind: 'request' | 'response'
  readonly #head = new Head()

  /** `kind`: what the heads that are read are; trailers decode as either. */
  constructor(kind: 'request' | 'response') {
    this.#kind = kind
  }

  read(bytes: Buffer): string[] {
    const lines: string[] = []
    let at = bytes.subarray(0, CLIENT_PREFACE.length).equals(CLIENT_PREFACE) ? CLIENT_PREFACE.length : 0
    while (at < bytes.length) {
      const end = at + FRAME_HEADER_LENGTH + u24(bytes, at)
      lines.push(this.#line(bytes[at + 3]!, bytes[at + 4]!, u31(bytes, at + 5), bytes.subarray(at + 9, end)))
      at = end
    }
    return lines
  }

  #line(type: number, flags: number, streamId: number, payload: Buffer): string {
    const ends = (flags & Flag.endStream) !== 0 ? ' end' : ''
    switch (type) {
      case FrameType.data:
        return `DATA ${streamId} ${payload.length}${ends}`
      case FrameType.headers:
        return `HEADERS ${streamId}${this.#fields(payload)}${ends}`
      case FrameType.rstStream:
        return `RST_STREAM ${streamId} ${errorName(u32(payload, 0))}`
      case FrameType.settings:
        return (flags & Flag.ack) !== 0 ? 'SETTINGS ack' : `SETTINGS${settingsText(payload)}`
      case FrameType.ping:
        return `PING ${payload}${(flags & Flag.ack) !== 0 ? ' ack' : ''}`
      case FrameType.goaway:
        return `GOAWAY ${u31(payload, 0)} ${errorName(u32(payload, 4))}`
      case FrameType.windowUpdate:
        return `WINDOW_UPDATE ${streamId} ${u31(payload, 0)}`
      default:
        return `frame ${type} ${streamId} ${payload.length}`
    }
  }

  #fields(payload: Buffer): string {
    this.#decoder.decode(this.#head, payload, 0, payload.length, this.#kind)
    let text = ''
    for (let at = 0; at < this.#head.count; at++) text += ` ${this.#head.nameAt(at)}=${this.#head.valueAt(at)}`
    return text
  }
}

const SETTING_NAMES = new Map(Object.entries(Setting).map(([name, setting]) => [setting as number, name]))

function settingsText(payload: Buffer): string {
  let text = ''
  for (let at = 0; at < payload.length; at += 6) {
    const setting = payload.readUInt16BE(at)
    text += ` ${SETTING_NAMES.get(setting) ?? setting}=${payload.readUInt32BE(at + 2)}`
  }
  return text
}
