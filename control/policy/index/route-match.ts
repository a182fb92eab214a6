/**
 * Matches of routes, from their objects to the terms of the policy API.
 *
 * What is not understood (a type of a newer API, a bad pattern) is left out of the match and told: then the match
 * takes more requests than its author meant, so the caller has to answer them with a failure and nothing else.
 */
import { compilePattern } from '../../../api/regex.ts'
import type { GrpcRouteMatch } from '../../../api/resources/grpc-route.ts'
import type { HttpRouteMatch } from '../../../api/resources/http-route.ts'
import type { ValueMatch } from '../../../api/resources/route.ts'
import type { GrpcMatch, HostMatch, HttpMatch, NamedMatch, PathMatch, Problem, TextMatch } from '../model/route.ts'

export type OnProblem = (problem: Problem) => void

export function hostMatch(hostname: string): HostMatch {
  const host = hostname.toLowerCase()
  return host.startsWith('*.') ? { kind: 'suffix', suffix: host.slice(2) } : { kind: 'exact', host }
}

/** @param field where the match stands, such as `spec.rules[0].matches[1]` */
export function httpMatch(match: HttpRouteMatch, field: string, onProblem: OnProblem): HttpMatch {
  const path = pathMatch(match.path, `${field}.path`, onProblem)
  const { method } = match
  if (method !== undefined && !METHODS.includes(method)) {
    onProblem({ field: `${field}.method`, message: `"${method}" is not one of ${METHODS.join(', ')}` })
  }
  return {
    ...(path && { path }),
    headers: namedMatches(match.headers, `${field}.headers`, onProblem),
    query: namedMatches(match.queryParams, `${field}.queryParams`, onProblem),
    ...(method !== undefined && METHODS.includes(method) && { method }),
  }
}

export function grpcMatch(match: GrpcRouteMatch, field: string, onProblem: OnProblem): GrpcMatch {
  const { type = 'Exact', service = '', method = '' } = match.method ?? {}
  const isExact = type === 'Exact'
  if (!isExact) {
    onProblem({ field: `${field}.method.type`, message: `"${type}" is not supported; supported is Exact` })
  }
  return {
    service: isExact ? service : '',
    method: isExact ? method : '',
    headers: namedMatches(match.headers, `${field}.headers`, onProblem),
  }
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']

const PATH_KINDS: ReadonlyMap<string, PathMatch['kind']> = new Map([
  ['Exact', 'exact'],
  ['PathPrefix', 'prefix'],
  ['RegularExpression', 'regex'],
])

function pathMatch(path: HttpRouteMatch['path'], field: string, onProblem: OnProblem): PathMatch | undefined {
  const kind = PATH_KINDS.get(path.type)
  const problem =
    kind === undefined
      ? notSupported('type', path.type, PATH_KINDS)
      : kind === 'regex'
        ? patternProblem(path.value)
        : path.value.startsWith('/')
          ? undefined
          : { field: 'value', message: `"${path.value}" does not begin with /` }
  if (problem === undefined) return { kind: kind!, value: path.value }
  onProblem({ field: `${field}.${problem.field}`, message: problem.message })
  return undefined
}

const VALUE_KINDS: ReadonlyMap<string, TextMatch['kind']> = new Map([
  ['Exact', 'exact'],
  ['RegularExpression', 'regex'],
])

/** Gateway API: of several entries of one name only the first counts. */
function namedMatches(matches: readonly ValueMatch[], field: string, onProblem: OnProblem): readonly NamedMatch[] {
  const seen = new Set<string>()
  return matches.flatMap(({ type, name, value }, index) => {
    const key = field.endsWith('.headers') ? name.toLowerCase() : name
    if (seen.has(key)) return []
    seen.add(key)
    const kind = VALUE_KINDS.get(type)
    const problem =
      kind === undefined
        ? notSupported('type', type, VALUE_KINDS)
        : kind === 'regex'
          ? patternProblem(value)
          : undefined
    if (problem === undefined) return [{ name, value: { kind: kind!, value } }]
    onProblem({ field: `${field}[${index}].${problem.field}`, message: problem.message })
    return []
  })
}

function notSupported(field: string, type: string, known: ReadonlyMap<string, string>): Problem {
  return { field, message: `"${type.slice(0, 100)}" is not supported; supported are ${[...known.keys()].join(', ')}` }
}

function patternProblem(source: string): Problem | undefined {
  const pattern = compilePattern(source)
  return 'problem' in pattern ? { field: 'value', message: pattern.problem } : undefined
}
