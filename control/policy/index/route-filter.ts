/**
 * Filters of routes, from their objects to the terms of the policy API.
 *
 * A filter that cannot be applied must not be skipped (Gateway API): it becomes a failure that answers in its place.
 */

import type { ObjectRef } from '../../../api/resources/reference.ts'
import type { HeaderModifier, PathModifier, RouteFilter as RouteFilterObject } from '../../../api/resources/route.ts'
import { status } from '../../grpc/status.ts'
import type { Failure, HeaderEdits, PathEdit, Ratio, RouteFilter } from '../model/route.ts'
import type { OnProblem } from './route-match.ts'

export interface FilterContext<Backend> {
  /** Resolves a backend that requests are copied to; absent where that is not possible (inbound). */
  readonly mirror?: (ref: ObjectRef & { readonly port?: number }) => Backend
  readonly onProblem: OnProblem
}

/** @param field where the list stands, such as `spec.rules[0].filters` */
export function routeFilters<Backend>(
  filters: readonly RouteFilterObject[],
  field: string,
  context: FilterContext<Backend>,
): readonly RouteFilter<Backend>[] {
  return filters.map((filter, index) => {
    const result = routeFilter(filter, context)
    if (typeof result !== 'string') return result
    context.onProblem({ field: `${field}[${index}]`, message: result })
    return failure(`${field}[${index}]: ${result}`)
  })
}

/** What a request gets that meets something which was not understood. */
export function failure(message: string): Failure {
  return { kind: 'failure', status: 500, grpcCode: status.INTERNAL, message }
}

/** The filter, or why there is none. */
function routeFilter<Backend>(
  filter: RouteFilterObject,
  { mirror }: FilterContext<Backend>,
): RouteFilter<Backend> | string {
  switch (filter.type) {
    case 'RequestHeaderModifier': {
      const { requestHeaderModifier: modifier } = filter
      return modifier === undefined
        ? missing('requestHeaderModifier')
        : { kind: 'requestHeaders', edits: edits(modifier) }
    }
    case 'ResponseHeaderModifier': {
      const { responseHeaderModifier: modifier } = filter
      return modifier === undefined
        ? missing('responseHeaderModifier')
        : { kind: 'responseHeaders', edits: edits(modifier) }
    }
    case 'RequestRedirect': {
      if (filter.requestRedirect === undefined) return missing('requestRedirect')
      const { scheme, hostname, port, path, statusCode } = filter.requestRedirect
      if (scheme !== undefined && scheme !== 'http' && scheme !== 'https')
        return `scheme "${scheme}" is not http or https`
      const pathEdit = path && pathEditOf(path)
      if (typeof pathEdit === 'string') return pathEdit
      return {
        kind: 'redirect',
        ...(scheme !== undefined && { scheme }),
        ...(hostname !== undefined && { host: hostname }),
        ...(port !== undefined && { port }),
        ...(pathEdit && { path: pathEdit }),
        status: statusCode,
      }
    }
    case 'URLRewrite': {
      if (filter.urlRewrite === undefined) return missing('urlRewrite')
      const { hostname, path } = filter.urlRewrite
      const pathEdit = path && pathEditOf(path)
      if (typeof pathEdit === 'string') return pathEdit
      return { kind: 'rewrite', ...(hostname !== undefined && { host: hostname }), ...(pathEdit && { path: pathEdit }) }
    }
    case 'RequestMirror': {
      if (filter.requestMirror === undefined) return missing('requestMirror')
      if (mirror === undefined) return 'RequestMirror is not possible on the inbound side'
      const { backendRef, percent, fraction } = filter.requestMirror
      if (percent !== undefined && fraction !== undefined)
        return 'requestMirror has percent and fraction; give one of them'
      if (fraction !== undefined && fraction.numerator > fraction.denominator) return 'a fraction is above 1'
      const ratio: Ratio | undefined = percent === undefined ? fraction : { numerator: percent, denominator: 100 }
      return { kind: 'mirror', backend: mirror(backendRef), ...(ratio && { ratio }) }
    }
    default:
      return `a filter of type ${filter.type.slice(0, 100)} is not supported`
  }
}

function missing(name: string): string {
  return `${name} is missing beside its type`
}

function edits({ add, set, remove }: HeaderModifier): HeaderEdits {
  return { add, set, remove }
}

function pathEditOf({ type, replaceFullPath, replacePrefixMatch }: PathModifier): PathEdit | string {
  switch (type) {
    case 'ReplaceFullPath':
      return replaceFullPath === undefined ? missing('replaceFullPath') : absolute('full', replaceFullPath)
    case 'ReplacePrefixMatch':
      return replacePrefixMatch === undefined ? missing('replacePrefixMatch') : absolute('prefix', replacePrefixMatch)
    default:
      return `a path modifier of type ${type.slice(0, 100)} is not supported`
  }
}

/** An empty prefix means `/`. What is written here becomes part of a request target. */
function absolute(kind: PathEdit['kind'], text: string): PathEdit | string {
  const value = text === '' ? '/' : text
  return /^\/[!-~]*$/.test(value) ? { kind, value } : `path "${text}" is not absolute, or has spaces or controls`
}
