/**
 * A generated ServiceProfile: what the sources (OpenAPI, protobuf) have in common, and how it is printed.
 *
 * The printed form is the one existing tools compare against: keys in alphabetical order, empty fields left out.
 */
import { stringify } from 'yaml'

/** One route of the profile, as a source describes it. */
export interface GeneratedRoute {
  readonly name: string
  readonly method: string
  readonly pathRegex: string
  readonly isRetryable: boolean
  /** Go duration, as it was written. */
  readonly timeout?: string
  /** Status codes that the source names, ascending. */
  readonly statusCodes: readonly number[]
}

/** What a source gave: the routes, and what in it was left aside, one sentence each. */
export interface Generated {
  readonly routes: readonly GeneratedRoute[]
  readonly notes: readonly string[]
}

/** Whose profile it is. */
export interface ProfileTarget {
  readonly service: string
  readonly namespace: string
  readonly clusterDomain: string
}

/** A source that cannot be used: `file:line: what; what to do`. */
export class SourceError extends Error {
  readonly code = 'WEFT_PROFILE_SOURCE'

  constructor(file: string, line: number, problem: string) {
    super(`${file}:${line}: ${problem}`)
  }
}

export type ProfileFormat = 'yaml' | 'json'

export function fullName({ service, namespace, clusterDomain }: ProfileTarget): string {
  return `${service}.${namespace}.svc.${clusterDomain}`
}

export function formatProfile(target: ProfileTarget, routes: readonly GeneratedRoute[], format: ProfileFormat): string {
  const profile = {
    apiVersion: 'linkerd.io/v1alpha2',
    kind: 'ServiceProfile',
    metadata: { name: fullName(target), namespace: target.namespace },
    spec: routes.length === 0 ? {} : { routes: routes.map(routeFields) },
  }
  if (format === 'json') return `${JSON.stringify(profile, undefined, 2)}\n`
  return stringify(profile, { indentSeq: false, lineWidth: 0 })
}

/** From which status code on an answer is a failure of the service. */
const FIRST_FAILURE = 500

function routeFields({ name, method, pathRegex, isRetryable, timeout, statusCodes }: GeneratedRoute) {
  return {
    condition: { method, pathRegex },
    ...(isRetryable ? { isRetryable } : {}),
    name,
    ...(statusCodes.length > 0 ? { responseClasses: statusCodes.map(responseClass) } : {}),
    ...(timeout !== undefined ? { timeout } : {}),
  }
}

function responseClass(status: number) {
  return {
    condition: { status: { max: status, min: status } },
    ...(status >= FIRST_FAILURE ? { isFailure: true } : {}),
  }
}

/** `text` as a regular expression that matches exactly it. */
export function quoteRegex(text: string): string {
  return text.replace(/[.+*?()|[\]{}^$\\]/g, '\\$&')
}
