/** `http_route.proto` and `grpc_route.proto` matches to `RouteMatch`. */
import type { GrpcRouteMatch } from '../../../api/gen/grpc_route_pb.js'
import type {
  HeaderMatch,
  HostMatch as HostMessage,
  HttpRouteMatch,
  PathMatch as PathMessage,
  QueryParamMatch,
} from '../../../api/gen/http_route_pb.js'
import type { HttpMethod } from '../../../api/gen/http_types_pb.js'
import { HttpMethod_RegisteredNames } from '../../../api/gen/http_types_tables.ts'
import { compilePattern, type RoutePattern } from '../../../api/regex.ts'
import type { HostMatch, NamedMatch, PathMatch, RouteMatch } from '../../policy/route.ts'
import { Refused, required } from './refused.ts'

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

export function httpMatchOf({ path, headers, queryParams, method }: HttpRouteMatch): RouteMatch {
  return {
    kind: 'http',
    path: path && pathOf(path),
    headers: headers.map(headerOf),
    query: queryParams.map(queryOf),
    method: method && methodOf(method),
  }
}

export function grpcMatchOf({ rpc, headers }: GrpcRouteMatch): RouteMatch {
  const { service, method } = required(rpc, 'the rpc of a gRPC match')
  return { kind: 'grpc', service: latin1(service), method: latin1(method), headers: headers.map(headerOf) }
}

export function hostOf({ match }: HostMessage): HostMatch {
  switch (match.case) {
    case 'exact':
      return { kind: 'exact', host: match.value.toLowerCase().replace(/\.$/, '') }
    case 'suffix':
      return { kind: 'suffix', suffix: suffixOf(match.value.reverseLabels).toLowerCase() }
    case undefined:
      throw new Refused('a host match is neither exact nor a suffix')
  }
}

/** `[com, example]` is `.example.com`. */
export function suffixOf(reverseLabels: readonly string[]): string {
  if (reverseLabels.length === 0) throw new Refused('a name suffix has no labels')
  return `.${[...reverseLabels].reverse().join('.')}`
}

export function methodOf({ type }: HttpMethod): string {
  switch (type.case) {
    case 'registered': {
      const name = HttpMethod_RegisteredNames[type.value]
      if (name === undefined) throw new Refused(`method number ${type.value} is not known`)
      return name
    }
    case 'unregistered':
      if (!TOKEN.test(type.value)) throw new Refused(`"${type.value}" is not a method`)
      return type.value
    case undefined:
      throw new Refused('a method match names no method')
  }
}

/** A header name in lower case. */
export function headerNameOf(name: string): string {
  if (!TOKEN.test(name)) throw new Refused(`"${name}" is not a header name`)
  return name.toLowerCase()
}

/** Heads are compared as latin1 readings of their bytes; policies write UTF-8. */
export function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

export function patternOf(source: string): RoutePattern {
  const pattern = compilePattern(source)
  if ('problem' in pattern) throw new Refused(pattern.problem)
  return pattern
}

function pathOf({ kind }: PathMessage): PathMatch {
  switch (kind.case) {
    case 'exact':
      return { kind: 'exact', path: latin1(kind.value) }
    case 'prefix':
      return { kind: 'prefix', prefix: latin1(kind.value).replace(/\/+$/, '') }
    case 'regex':
      return { kind: 'regex', pattern: patternOf(kind.value) }
    case undefined:
      throw new Refused('a path match is neither exact, prefix nor regex')
  }
}

function headerOf({ name, value }: HeaderMatch): NamedMatch {
  const lowerCase = headerNameOf(name)
  switch (value.case) {
    case 'exact':
      return { name: lowerCase, value: { kind: 'exact', value: Buffer.from(value.value).toString('latin1') } }
    case 'regex':
      return { name: lowerCase, value: { kind: 'regex', pattern: patternOf(value.value) } }
    case undefined:
      throw new Refused(`the match of header ${lowerCase} has no value`)
  }
}

function queryOf({ name, value }: QueryParamMatch): NamedMatch {
  if (name === '') throw new Refused('a query parameter match has no name')
  switch (value.case) {
    case 'exact':
      return { name, value: { kind: 'exact', value: value.value } }
    case 'regex':
      return { name, value: { kind: 'regex', pattern: patternOf(value.value) } }
    case undefined:
      throw new Refused(`the match of query parameter ${name} has no value`)
  }
}
