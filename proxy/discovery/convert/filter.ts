/** Filters of inbound and outbound, HTTP, gRPC, opaque and TLS routes. */
import type { GrpcFailureInjector } from '../../../api/gen/grpc_route_pb.js'
import type {
  HttpFailureInjector,
  PathModifier,
  Ratio,
  RequestHeaderModifier,
  RequestRedirect,
  ResponseHeaderModifier,
} from '../../../api/gen/http_route_pb.js'
import type { Headers } from '../../../api/gen/http_types_pb.js'
import { Scheme_RegisteredNames } from '../../../api/gen/http_types_tables.ts'
import type {
  GrpcRoute_Filter,
  HttpRoute_Filter,
  OpaqueRoute_Filter,
  RequestMirror,
  TlsRoute_Filter,
} from '../../../api/gen/outbound_pb.js'
import type { UrlRewrite } from '../../../api/gen/weft_pb.js'
import type { ConnectionFilter, Filter, HeaderEdits, HeaderField, PathEdit, Unsupported } from '../../policy/filter.ts'
import { describeMeta } from '../../policy/meta.ts'
import { backendOf } from './distribution.ts'
import { headerNameOf } from './match.ts'
import { Refused, required } from './refused.ts'

/** Fields the engine derives from the message itself; a policy that sets them would make two readings of one message. */
const FRAMING_FIELDS = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

export function unsupported(what: string): Unsupported {
  return { kind: 'unsupported', what }
}

export function httpFilterOf({ kind }: HttpRoute_Filter): Filter {
  switch (kind.case) {
    case 'failureInjector':
      return httpFailureOf(kind.value)
    case 'requestHeaderModifier':
      return headerModifierOf('requestHeaders', kind.value)
    case 'responseHeaderModifier':
      return headerModifierOf('responseHeaders', kind.value)
    case 'redirect':
      return redirectOf(kind.value)
    case 'urlRewrite':
      return rewriteOf(kind.value)
    case 'requestMirror':
      return mirrorOf(kind.value)
    case undefined:
      throw new Refused('a filter is of a kind this version does not know')
  }
}

export function grpcFilterOf({ kind }: GrpcRoute_Filter): Filter {
  switch (kind.case) {
    case 'failureInjector':
      return grpcFailureOf(kind.value)
    case 'requestHeaderModifier':
      return headerModifierOf('requestHeaders', kind.value)
    case 'responseHeaderModifier':
      return headerModifierOf('responseHeaders', kind.value)
    case 'requestMirror':
      return mirrorOf(kind.value)
    case undefined:
      throw new Refused('a filter is of a kind this version does not know')
  }
}

export function connectionFilterOf({ kind }: OpaqueRoute_Filter | TlsRoute_Filter): ConnectionFilter {
  switch (kind.case) {
    case 'invalid':
      return { kind: 'invalid', message: kind.value.message }
    case 'forbidden':
      return { kind: 'forbidden' }
    case undefined:
      throw new Refused('a filter is of a kind this version does not know')
  }
}

export function httpFailureOf({ status, message, ratio }: HttpFailureInjector): Filter {
  return { kind: 'httpFailure', status: statusOf(status), message, ratio: ratioOf(ratio) }
}

export function grpcFailureOf({ code, message, ratio }: GrpcFailureInjector): Filter {
  // Codes above 16 are not gRPC's; a client would read them as UNKNOWN, so that is what it gets.
  return { kind: 'grpcFailure', code: code > 16 ? 2 : code, message, ratio: ratioOf(ratio) }
}

export function headerModifierOf(
  kind: 'requestHeaders' | 'responseHeaders',
  { add, set, remove }: RequestHeaderModifier | ResponseHeaderModifier,
): Filter {
  const edits: HeaderEdits = { add: fieldsOf(add), set: fieldsOf(set), remove: remove.map(headerNameOf) }
  const names = [...edits.add, ...edits.set].map(({ name }) => name).concat(edits.remove)
  const framing = names.find((name) => FRAMING_FIELDS.has(name))
  return framing === undefined ? { kind, edits } : unsupported(`a header modifier of the framing field ${framing}`)
}

export function redirectOf({ scheme, host, path, port, status }: RequestRedirect): Filter {
  if (host !== '' && !HOST.test(host)) throw new Refused(`a redirect's host "${host}" is not a host name`)
  if (port > 65_535) throw new Refused(`a redirect's port ${port} is above 65535`)
  // Linkerd's controller writes 200 where the route names no status; a redirect that is none would help nobody.
  const code = status === 0 || status === 200 ? 301 : statusOf(status)
  return {
    kind: 'redirect',
    scheme: scheme && schemeOf(scheme),
    host: host === '' ? undefined : host,
    port: port === 0 ? undefined : port,
    // Ends up in a response header: no control characters, no spaces.
    path: path && pathEditOf(path, "a redirect's path", /^\/[!-~]*$/),
    status: code,
  }
}

export function rewriteOf({ host, path }: UrlRewrite): Filter {
  if (host !== '' && !HOST.test(host)) throw new Refused(`a rewrite's host "${host}" is not a host name`)
  return {
    kind: 'rewrite',
    host: host === '' ? undefined : host,
    // Becomes the target of a request: neither a query, which is the request's own, nor a fragment.
    path: path && pathEditOf(path, "a rewrite's path", /^\/(?!\/)[!"$->@-~]*$/),
  }
}

function mirrorOf({ backend: message, ratio }: RequestMirror): Filter {
  const backend = backendOf(required(message, "a mirror's backend"))
  if (backend.target.kind === 'none')
    return unsupported(`a request mirror to ${describeMeta(backend.meta)}, which is unknown,`)
  return { kind: 'mirror', backend, ratio: ratioOf(ratio) }
}

const HOST = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])$/

function schemeOf({ type }: NonNullable<RequestRedirect['scheme']>): string {
  const scheme = type.case === 'registered' ? Scheme_RegisteredNames[type.value]?.toLowerCase() : type.value
  if (scheme === undefined || !/^[a-z][a-z0-9+.-]*$/i.test(scheme))
    throw new Refused("a redirect's scheme is not a scheme")
  return scheme
}

function pathEditOf({ replace }: PathModifier, what: string, allowed: RegExp): PathEdit {
  if (replace.case === undefined) throw new Refused(`${what} is neither full nor a prefix`)
  const { case: kind, value } = replace
  // The prefix may go without a successor.
  if (!(kind === 'prefix' && value === '') && !allowed.test(value))
    throw new Refused(`${what} "${value}" is not an absolute path`)
  return { kind, value }
}

function fieldsOf(headers: Headers | undefined): HeaderField[] {
  return (headers?.headers ?? []).map(({ name, value }) => {
    const text = Buffer.from(value).toString('latin1')
    // RFC 9110 §5.5: visible characters, spaces and tabs inside, obs-text.
    if (!/^(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?$/.test(text)) {
      throw new Refused(`the value of header ${name} has characters that a field value may not have`)
    }
    return { name: headerNameOf(name), value: text }
  })
}

function statusOf(status: number): number {
  if (status < 200 || status > 599) throw new Refused(`${status} is not the status of a response`)
  return status
}

function ratioOf(ratio: Ratio | undefined): number {
  if (ratio === undefined) return 1
  const { numerator, denominator } = ratio
  if (denominator === 0 || numerator > denominator) throw new Refused(`${numerator}/${denominator} is not a ratio`)
  return numerator / denominator
}
