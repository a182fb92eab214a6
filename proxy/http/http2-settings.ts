/** SETTINGS of both sides (RFC 9113 §6.5): what we announce, and what the peer's change here. */
import { u16, u32 } from '../wire/bytes.ts'
import { ConnectionError, ErrorCode } from '../wire/connection-error.ts'
import { CLIENT_PREFACE, RESTORES_HTTP1, Setting } from '../wire/frame.ts'
import { writeSettings, writeSettingsAck } from '../wire/frame-writer.ts'
import { HTTP2_BOUNDS } from './http2-config.ts'
import type { Http2Session } from './http2-session.ts'

const MAX_WINDOW_BYTES = 0x7fff_ffff
const MIN_FRAME_SIZE = 16_384
const MAX_FRAME_SIZE = 16_777_215
const SETTING_BYTES = 6

/** What opens a connection: the preface of a client, our SETTINGS, and the connection's window. */
export function announceSettings(session: Http2Session): void {
  const { transport, config, isServer, window, owner } = session
  if (!isServer) {
    transport.ensure(CLIENT_PREFACE.length)
    CLIENT_PREFACE.copy(transport.buf, transport.at)
    transport.at += CLIENT_PREFACE.length
  }
  const settings: [number, number][] = [
    isServer ? [Setting.maxConcurrentStreams, config.maxConcurrentStreams] : [Setting.enablePush, 0],
    [Setting.initialWindowSize, config.initialStreamWindowBytes],
    [Setting.maxHeaderListSize, config.maxHeaderListBytes],
  ]
  if (config.isMeshed) settings.push([Setting.http1Form, RESTORES_HTTP1])
  if (isServer && owner.takesConnect?.() === true) {
    session.takesConnect = true
    settings.push([Setting.enableConnectProtocol, 1])
  }
  session.settingsSent++
  writeSettings(transport, settings)
  window.announce()
  transport.flushSoon()
}

/** SETTINGS_HEADER_TABLE_SIZE 0: from its acknowledgement on the peer's field blocks are self-contained. */
export function announceNoTable(session: Http2Session): void {
  const { transport } = session
  session.noTableSettings = ++session.settingsSent
  writeSettings(transport, [[Setting.headerTableSize, 0]])
  transport.flushSoon()
}

/** SETTINGS_ENABLE_CONNECT_PROTOCOL, once it turns out that extended CONNECT can be served (RFC 8441 §3). */
export function announceConnect(session: Http2Session): void {
  if (session.takesConnect || session.isDraining || session.owner.takesConnect?.() !== true) return
  session.takesConnect = true
  session.settingsSent++
  writeSettings(session.transport, [[Setting.enableConnectProtocol, 1]])
  session.transport.flushSoon()
}

/**
 * Applies the parameters in `buf[start, end)`, in order, acknowledges them, and lets go what they allow.
 * @throws ConnectionError for values that RFC 9113 §6.5.2 forbids
 */
export function applySettings(session: Http2Session, buf: Uint8Array, start: number, end: number): void {
  if (end - start > HTTP2_BOUNDS.maxSettings * SETTING_BYTES) {
    const message = `a SETTINGS frame of ${(end - start) / SETTING_BYTES} parameters, ${HTTP2_BOUNDS.maxSettings} are allowed`
    throw new ConnectionError(ErrorCode.enhanceYourCalm, message, 'settings')
  }
  const { sender, streams, transport } = session
  const { initialWindowBytes } = sender
  const hadCapacity = streams.ownCount < sender.maxStreams
  for (let at = start; at < end; at += SETTING_BYTES) applySetting(session, u16(buf, at), u32(buf, at + 2))
  // RFC 9113 §6.5.3: the acknowledgement is due at once. It also tells the peer by which values the frames behind it go.
  writeSettingsAck(transport)
  transport.flushSoon()
  if (sender.initialWindowBytes > initialWindowBytes)
    for (const stream of streams.open.all()) sender.onStreamWindow(stream)
  if (!session.isServer && !hadCapacity) session.owner.onCapacity()
}

function applySetting(session: Http2Session, setting: number, value: number): void {
  switch (setting) {
    case Setting.enablePush:
      if (value > 1 || (value === 1 && !session.isServer)) throw forbidden('SETTINGS_ENABLE_PUSH', value)
      return
    case Setting.maxConcurrentStreams:
      session.sender.maxStreams = value
      return
    case Setting.initialWindowSize:
      return applyInitialWindow(session, value)
    case Setting.maxFrameSize:
      // Larger frames than the default buy nothing here and would hold up other streams: checked, not used.
      if (value < MIN_FRAME_SIZE || value > MAX_FRAME_SIZE) throw forbidden('SETTINGS_MAX_FRAME_SIZE', value)
      return
    case Setting.enableConnectProtocol:
      if (value > 1) throw forbidden('SETTINGS_ENABLE_CONNECT_PROTOCOL', value)
      // Only a server's counts, and it cannot be taken back (RFC 8441 §3).
      if (!session.isServer && value === 1) session.takesConnect = true
      return
    case Setting.http1Form:
      session.keepsHttp1Form = session.config.isMeshed && value === RESTORES_HTTP1
      return
    default:
      // The table size needs no action: this encoder never uses the dynamic table. Unknown settings are ignored.
      return
  }
}

function applyInitialWindow({ sender, streams }: Http2Session, value: number): void {
  if (value > MAX_WINDOW_BYTES) {
    throw new ConnectionError(ErrorCode.flowControlError, `SETTINGS_INITIAL_WINDOW_SIZE is ${value} (RFC 9113 §6.5.2)`)
  }
  // RFC 9113 §6.9.2: a smaller value may push a window below zero. No clamp: the peer pays that debt first.
  const change = value - sender.initialWindowBytes
  sender.initialWindowBytes = value
  for (const stream of streams.open.all()) {
    stream.sendWindowBytes += change
    if (stream.sendWindowBytes > MAX_WINDOW_BYTES) {
      throw new ConnectionError(
        ErrorCode.flowControlError,
        `stream ${stream.id}: SETTINGS_INITIAL_WINDOW_SIZE overflows its window (RFC 9113 §6.9.2)`,
      )
    }
  }
}

function forbidden(name: string, value: number): ConnectionError {
  return new ConnectionError(ErrorCode.protocolError, `${name} is ${value} (RFC 9113 §6.5.2)`)
}
