/**
 * What `POST /explain` is asked: parameters in the query, the head of the request as text in the body. The head is read by
 * the parser that reads heads from connections, so what that refuses is refused here with the same sentence.
 */
import { formatSocketAddress } from '../../api/ip.ts'
import type { Client, ClientTls } from '../policy/authorization.ts'
import { isGrpcContentType } from '../policy/classify.ts'
import { ipOf } from '../policy/network.ts'
import { Head } from '../wire/head.ts'
import { Http1Error, parseRequestHead } from '../wire/http1-head.ts'
import { token } from '../wire/tokens.ts'

export interface OutboundQuestion {
  readonly direction: 'outbound'
  readonly ip: string
  readonly port: number
  readonly head: Head
  /** The version that is asked about; `undefined` goes by the policy and the content type. */
  readonly isHttp2: boolean | undefined
}

export interface InboundQuestion {
  readonly direction: 'inbound'
  readonly port: number
  readonly client: Client
  readonly head: Head
  readonly isHttp2: boolean | undefined
}

export type Question = OutboundQuestion | InboundQuestion

const PARAMETERS = {
  outbound: ['direction', 'target', 'http', 'format'],
  inbound: ['direction', 'port', 'client', 'address', 'http', 'format'],
} as const

/** Longer names are no identities. */
const MAX_IDENTITY_CHARS = 1_024

const CONTENT_TYPE = token('content-type')

/** The question, or one sentence about what is wrong with it. */
export function readQuestion(query: string, body: string): Question | string {
  const parameters = new URLSearchParams(query)
  const direction = parameters.get('direction')
  if (direction !== 'outbound' && direction !== 'inbound') return 'direction has to be outbound or inbound'
  const known: readonly string[] = PARAMETERS[direction]
  for (const name of parameters.keys()) {
    if (!known.includes(name))
      return `${JSON.stringify(name)} is not a parameter of direction=${direction}; there are ${known.join(', ')}`
    if (parameters.getAll(name).length > 1) return `${name} is given more than once`
  }
  const http = parameters.get('http')
  if (http !== null && http !== '1' && http !== '2') return 'http has to be 1 or 2'
  const format = parameters.get('format')
  if (format !== null && format !== 'json' && format !== 'text') return 'format has to be json or text'
  const isHttp2 = http === null ? undefined : http === '2'
  const head = headOf(body)
  if (typeof head === 'string') return head
  return direction === 'outbound'
    ? outboundQuestion(parameters, head, isHttp2)
    : inboundQuestion(parameters, head, isHttp2)
}

/** Whether a request that may be either is HTTP/2: gRPC is nothing else. */
export function isHttp2ByDefault(head: Head): boolean {
  return isGrpcContentType(head.get(CONTENT_TYPE))
}

function outboundQuestion(parameters: URLSearchParams, head: Head, isHttp2: boolean | undefined): Question | string {
  const target = parameters.get('target')
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(target ?? '') ?? []
  const ip = bracketed ?? plain ?? ''
  const port = Number(digits)
  if (ipOf(ip) === undefined || !isPort(port))
    return 'target has to be the address that the application dials, such as 10.96.0.1:80 or [fd00::1]:80'
  return { direction: 'outbound', ip, port, head, isHttp2 }
}

function inboundQuestion(parameters: URLSearchParams, head: Head, isHttp2: boolean | undefined): Question | string {
  const digits = parameters.get('port') ?? ''
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : 0
  if (!isPort(port)) return 'port has to be a port of the pod, such as 8080'
  const tls = clientTlsOf(parameters.get('client'))
  if (tls === undefined)
    return 'client has to be the identity of the client, none (no TLS) or tls (TLS without identity)'
  const ip = ipOf(parameters.get('address') ?? '')
  if (ip === undefined) return 'address has to be the IP address of the client'
  return { direction: 'inbound', port, client: { ip, tls }, head, isHttp2 }
}

function clientTlsOf(text: string | null): ClientTls | undefined {
  if (text === null || text === '' || text.length > MAX_IDENTITY_CHARS) return undefined
  return text === 'none' || text === 'tls' ? { kind: text } : { kind: 'meshTls', identity: text }
}

function isPort(port: number): boolean {
  return port >= 1 && port <= 65_535
}

function headOf(body: string): Head | string {
  // Whoever types a head ends lines as text does. Mixed ends are left to the parser.
  const text = body.includes('\r') ? body : body.replaceAll('\n', '\r\n')
  const missing = text.endsWith('\r\n\r\n') ? '' : text.endsWith('\r\n') ? '\r\n' : '\r\n\r\n'
  // Bytes that were no UTF-8 are lost already: the head would not be the one that was meant.
  if (text.includes('\ufffd')) return 'the head is not UTF-8'
  const buf = Buffer.from(text + missing, 'utf8')
  const head = new Head()
  try {
    const end = parseRequestHead(head, buf, 0, buf.length)
    if (end === -1) return 'the head is not complete: it is a request line, fields and an empty line'
    return end === buf.length ? head : 'there is more behind the empty line that ends the head'
  } catch (error) {
    if (!(error instanceof Http1Error)) throw error
    return `the proxy would answer ${error.status} without looking at any policy: ${error.message}`
  }
}

/** As `target` wants it. */
export function targetText(ip: string, port: number): string {
  return formatSocketAddress({ ip, port })
}
