/** The access log of the inbound side: what a request said when it came, and who decided, written when it ended. */
import type { Meta } from '../policy/meta.ts'
import { type AccessLogFormat, accessLogLine } from '../telemetry/access-log.ts'
import { type Head, Version } from '../wire/head.ts'
import { token } from '../wire/tokens.ts'

const METHOD = token(':method')
const PATH = token(':path')
const AUTHORITY = token(':authority')
const HOST = token('host')
const USER_AGENT = token('user-agent')
const CONTENT_LENGTH = token('content-length')
const B3_TRACE_ID = token('x-b3-traceid')
const REQUEST_ID = token('x-request-id')

const VERSIONS = { [Version.http10]: 'HTTP/1.0', [Version.http11]: 'HTTP/1.1', [Version.http2]: 'HTTP/2.0' } as const

export interface WhoDecided {
  readonly server: Meta
  readonly route: Meta | undefined
  readonly authorization: Meta | undefined
}

/** Called when the exchange ended, or the request was refused. */
export type WriteEntry = (status: number, responseBytes: string | undefined, startedAtMs: number) => void

export class AccessLog {
  readonly #format: AccessLogFormat
  readonly #write: (line: string) => void
  readonly #nowMs: () => number
  readonly #unixMs: () => number

  constructor(format: AccessLogFormat, write: (line: string) => void, nowMs: () => number, unixMs: () => number) {
    this.#format = format
    this.#write = write
    this.#nowMs = nowMs
    this.#unixMs = unixMs
  }

  begin(head: Head, clientAddr: string, clientId: string | undefined): (who: WhoDecided) => WriteEntry {
    const receivedUnixMs = this.#unixMs()
    const entry = {
      clientAddr,
      clientId,
      receivedUnixMs,
      method: head.get(METHOD) ?? '',
      uri: head.get(PATH) ?? '',
      version: VERSIONS[head.version],
      traceId: head.get(B3_TRACE_ID) ?? head.get(REQUEST_ID),
      requestBytes: head.get(CONTENT_LENGTH),
      userAgent: head.get(USER_AGENT),
      host: head.get(AUTHORITY) ?? head.get(HOST),
    }
    return (who) => (status, responseBytes, startedAtMs) => {
      const totalMs = this.#nowMs() - startedAtMs
      this.#write(accessLogLine(this.#format, { ...entry, ...who, status, responseBytes, totalMs, processingMs: 0 }))
    }
  }
}
