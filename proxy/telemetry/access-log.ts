/**
 * One line per inbound request, on standard error: `LINKERD2_PROXY_ACCESS_LOG=apache|json`. Which policy decided is in the
 * JSON alone: who reads the other format expects nothing behind the status.
 */
import { describeMeta, type Meta } from '../policy/meta.ts'

export type AccessLogFormat = 'apache' | 'json'

export interface AccessLogEntry {
  /** `ip:port`. */
  readonly clientAddr: string
  /** Mesh identity; `undefined` without one. */
  readonly clientId: string | undefined
  readonly receivedUnixMs: number
  readonly method: string
  readonly uri: string
  /** `HTTP/1.1`, `HTTP/2.0`. */
  readonly version: string
  /** From `x-b3-traceid`, `x-request-id` or `x-amzn-trace-id`. */
  readonly traceId: string | undefined
  /** `content-length` of the request and of the response. */
  readonly requestBytes: string | undefined
  readonly responseBytes: string | undefined
  readonly status: number
  readonly totalMs: number
  /** Of these, what the proxy itself took. */
  readonly processingMs: number
  readonly userAgent: string | undefined
  readonly host: string | undefined
  /** Which policy decided. No route: none matched (404). No authorization: none permits (403). */
  readonly server: Meta
  readonly route: Meta | undefined
  readonly authorization: Meta | undefined
}

export function accessLogLine(format: AccessLogFormat, entry: AccessLogEntry): string {
  return format === 'apache' ? apacheLine(entry) : jsonLine(entry)
}

function apacheLine({ clientAddr, clientId, receivedUnixMs, method, uri, version, status }: AccessLogEntry): string {
  const request = `${quotable(method)} ${quotable(uri)} ${version}`
  return `${clientAddr} ${quotable(clientId ?? '-')} - [${timestamp(receivedUnixMs)}] "${request}" ${status}\n`
}

function jsonLine(entry: AccessLogEntry): string {
  const fields = {
    'client.addr': entry.clientAddr,
    'client.id': entry.clientId ?? '-',
    timestamp: timestamp(entry.receivedUnixMs),
    method: entry.method,
    uri: entry.uri,
    version: entry.version,
    trace_id: entry.traceId ?? '',
    request_bytes: entry.requestBytes ?? '',
    status: entry.status,
    response_bytes: entry.responseBytes ?? '',
    total_ns: nanoseconds(entry.totalMs),
    processing_ns: nanoseconds(entry.processingMs),
    user_agent: entry.userAgent ?? '',
    host: entry.host ?? '',
    server: describeMeta(entry.server),
    route: nameOf(entry.route),
    authorization: nameOf(entry.authorization),
  }
  return `${JSON.stringify(fields)}\n`
}

function nameOf(meta: Meta | undefined): string {
  return meta === undefined ? '' : describeMeta(meta)
}

/** RFC 3339 with nanoseconds; a clock of milliseconds fills what it knows. */
function timestamp(unixMs: number): string {
  const whole = Math.floor(unixMs)
  const nanos = Math.round((unixMs - whole) * 1e6)
  return new Date(whole).toISOString().replace('Z', `${`${nanos}`.padStart(6, '0')}Z`)
}

function nanoseconds(ms: number): string {
  return `${Math.round(ms * 1e6)}`
}

/** What a client sends must not end the quotes or the line. */
function quotable(text: string): string {
  return text.replace(/[\x00-\x1f\x7f"\\]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
