/**
 * llhttp, the HTTP/1 parser of node:http, as an oracle: strict, synchronous, all that it says about a piece of text.
 *
 * Node does not export the parser by a public name, but servers and clients of node:http get every byte through it.
 */
import { createRequire } from 'node:module'

export interface LlhttpMessage {
  readonly method: string | undefined
  readonly target: string
  readonly minorVersion: number
  readonly status: number
  /** Name, value, name, value, … as they came. */
  readonly fields: readonly string[]
  readonly isKeepAlive: boolean
  readonly isUpgrade: boolean
  readonly content: string
  readonly trailers: readonly string[]
  readonly isComplete: boolean
}

export interface LlhttpResult {
  readonly messages: readonly LlhttpMessage[]
  /** Code such as `HPE_INVALID_HEADER_TOKEN`; `undefined` when all bytes were taken. */
  readonly error: string | undefined
  /** Bytes read up to the error, or up to an upgrade. */
  readonly consumed: number
}

type Parser = Record<number, unknown> & {
  initialize(kind: number, resource: object, maxHeaderBytes: number, lenientFlags: number): void
  execute(buf: Buffer): number | (Error & { code: string; bytesParsed: number })
  finish(): (Error & { code: string }) | undefined
}
interface ParserClass {
  new (): Parser
  readonly REQUEST: number
  readonly RESPONSE: number
  readonly kOnMessageBegin: number
  readonly kOnHeaders: number
  readonly kOnHeadersComplete: number
  readonly kOnBody: number
  readonly kOnMessageComplete: number
}

const { HTTPParser, methods } = createRequire(import.meta.url)('_http_common') as {
  HTTPParser: ParserClass
  methods: readonly string[]
}

/** The methods llhttp knows; it refuses all others. */
export const LLHTTP_METHODS: ReadonlySet<string> = new Set(methods)

/** One for all: it begins anew with each `initialize`. */
const parser = new HTTPParser()

const MAX_HEAD_BYTES = 1 << 20
const SKIP_BODY = 1

/**
 * @param requestMethods responses only: to which requests these are the answers, in order; GET where none is left
 * @param atEnd the connection ends behind these bytes
 */
export function readWithLlhttp(
  kind: 'request' | 'response',
  bytes: Buffer,
  requestMethods: readonly string[] = [],
  atEnd = false,
): LlhttpResult {
  parser.initialize(kind === 'request' ? HTTPParser.REQUEST : HTTPParser.RESPONSE, {}, MAX_HEAD_BYTES, 0)
  const messages: { -readonly [Key in keyof LlhttpMessage]: LlhttpMessage[Key] }[] = []
  let fields: string[] = []
  let target = ''
  let answered = 0
  let hasHead = false
  parser[HTTPParser.kOnMessageBegin] = () => {
    fields = []
    target = ''
    hasHead = false
  }
  // More than 32 fields come in several calls, and trailers too.
  parser[HTTPParser.kOnHeaders] = (more: string[], url: string) => {
    if (hasHead) messages.at(-1)!.trailers = [...messages.at(-1)!.trailers, ...more]
    else {
      fields.push(...more)
      target += url
    }
  }
  parser[HTTPParser.kOnHeadersComplete] = (
    _major: number,
    minorVersion: number,
    more: string[] | undefined,
    method: number | undefined,
    url: string | undefined,
    status: number | undefined,
    _reason: string | undefined,
    isUpgrade: boolean,
    isKeepAlive: boolean,
  ) => {
    hasHead = true
    messages.push({
      method: method === undefined ? undefined : methods[method],
      target: url ?? target,
      minorVersion,
      status: status ?? 0,
      fields: more ?? fields,
      isKeepAlive,
      isUpgrade,
      content: '',
      trailers: [],
      isComplete: false,
    })
    if (kind === 'request' || (status !== undefined && status < 200 && status !== 101)) return 0
    const answers = requestMethods[answered++]
    return answers === 'HEAD' ? SKIP_BODY : 0
  }
  parser[HTTPParser.kOnBody] = (body: Buffer) => {
    messages.at(-1)!.content += body.toString('latin1')
  }
  parser[HTTPParser.kOnMessageComplete] = () => {
    messages.at(-1)!.isComplete = true
  }
  const result = parser.execute(bytes)
  if (typeof result !== 'number') return { messages, error: result.code, consumed: result.bytesParsed }
  const ended = atEnd ? parser.finish() : undefined
  return { messages, error: ended?.code, consumed: result }
}
