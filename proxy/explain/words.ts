/** Parts of a policy in words. */

import { MAX_SAFE_RETRIES } from '../outbound/retry.ts'
import type { RetryPlan, RoutePlan } from '../outbound/route-plan.ts'
import type { Authorization, Client } from '../policy/authorization.ts'
import { denialOf } from '../policy/authorization.ts'
import type { BackoffParams } from '../policy/backoff.ts'
import type { SessionAffinity } from '../policy/balance/session-affinity.ts'
import type { Filter, HeaderEdits } from '../policy/filter.ts'
import { describeMeta, isDefault, type Meta } from '../policy/meta.ts'
import { ipText, networkText } from '../policy/network.ts'
import type { ExplainedAuthorization, ObjectRef } from './explanation.ts'

/** Of identities or networks that an authorization lists. */
const MAX_LISTED = 8

export function objectOf(meta: Meta): ObjectRef {
  const { group, kind, namespace, name, port, generation } = meta
  if (isDefault(meta)) return { kind, name }
  return {
    kind,
    name,
    ...(namespace !== '' && { namespace }),
    group,
    ...(port !== 0 && { port }),
    ...(generation !== undefined && { generation }),
  }
}

export function describeFilter(filter: Filter): string {
  switch (filter.kind) {
    case 'requestHeaders':
      return `request headers: ${describeEdits(filter.edits)}`
    case 'responseHeaders':
      return `response headers: ${describeEdits(filter.edits)}`
    case 'redirect': {
      const { scheme, host, port, path, status } = filter
      const parts = [
        scheme && `scheme ${scheme}`,
        host && `host ${host}`,
        port !== undefined && `port ${port}`,
        path && `${path.kind} path ${path.value}`,
      ].filter(Boolean)
      return `redirect with ${status}${parts.length === 0 ? '' : ` to ${parts.join(', ')}`}`
    }
    case 'rewrite': {
      const { host, path } = filter
      const parts = [host && `host ${host}`, path && `${path.kind} path ${path.value}`].filter(Boolean)
      return `rewrite to ${parts.join(', ')}`
    }
    case 'mirror':
      return `a copy of ${percent(filter.ratio)} of requests to ${describeMeta(filter.backend.meta)}`
    case 'httpFailure':
      return `${percent(filter.ratio)} of requests fail with ${filter.status}`
    case 'grpcFailure':
      return `${percent(filter.ratio)} of requests fail with grpc-status ${filter.code}`
    case 'unsupported':
      return `${filter.what}, which this version of the proxy does not support`
  }
}

function describeEdits({ add, set, remove }: HeaderEdits): string {
  return [
    ...add.map(({ name, value }) => `add ${name}: ${value}`),
    ...set.map(({ name, value }) => `set ${name}: ${value}`),
    ...remove.map((name) => `remove ${name}`),
  ].join(', ')
}

/** Milliseconds by what they bound; only what is set. */
export function timeoutsOf({ timeouts, headTimeoutMs }: RoutePlan): Record<string, number> {
  const named = { ...timeouts, profileMs: headTimeoutMs }
  return Object.fromEntries(Object.entries(named).flatMap(([name, ms]) => (ms === undefined ? [] : [[name, ms]])))
}

export function describeRetries(retry: RetryPlan | undefined): string[] {
  const safe = `${MAX_SAFE_RETRIES} at most when no application has seen the request`
  if (retry === undefined) return [safe]
  if (retry.kind === 'budget')
    return [
      safe,
      `what is classified as a failure, within the profile's budget (${retry.maxRequestBytes} bytes are kept)`,
    ]
  const { maxRetries, statuses, grpcCodes, timeoutMs, backoff, maxRequestBytes } = retry.policy
  const codes = Array.from({ length: 32 }, (_, code) => code).filter((code) => (grpcCodes & (1 << code)) !== 0)
  const conditions = [
    ...statuses.map(({ min, max }) => (min === max ? `${min}` : `${min}-${max}`)),
    ...codes.map((code) => `grpc-status ${code}`),
  ]
  return [
    safe,
    `${maxRetries} at most on ${conditions.length === 0 ? 'nothing' : conditions.join(', ')}` +
      (timeoutMs === undefined ? '' : `, ${timeoutMs} ms for each attempt`) +
      (backoff === undefined ? '' : `, ${describeBackoff(backoff)}`) +
      ` (${maxRequestBytes} bytes are kept)`,
  ]
}

function describeBackoff({ minMs, maxMs }: BackoffParams): string {
  return `after ${minMs} to ${maxMs} ms`
}

export function describeAffinity({ key }: SessionAffinity): string {
  return `${key.kind} ${key.name}`
}

export function explainAuthorization(authorization: Authorization, client: Client): ExplainedAuthorization {
  const object = objectOf(authorization.meta)
  switch (denialOf(authorization, client)) {
    case undefined:
      return { object, permits: true, reason: `${describeWho(authorization)}, ${describeNetworks(authorization)}` }
    case 'identity':
      return { object, permits: false, reason: `it wants ${describeWho(authorization)}; ${describeClient(client)}` }
    case 'network':
      return {
        object,
        permits: false,
        reason: `it wants ${describeNetworks(authorization)}; the client is at ${ipText(client.ip)}`,
      }
  }
}

function describeClient({ tls }: Client): string {
  switch (tls.kind) {
    case 'none':
      return 'the client has no mesh TLS'
    case 'tls':
      return 'the client has no identity'
    case 'meshTls':
      return `the client is ${tls.identity}`
  }
}

function describeWho({ authentication }: Authorization): string {
  switch (authentication.kind) {
    case 'unauthenticated':
      return 'anybody'
    case 'tls':
      return 'mesh TLS'
    case 'meshTls': {
      const { identities, suffixes } = authentication
      const names = [...identities, ...suffixes.map((suffix) => (suffix === '' ? 'any identity' : `*${suffix}`))]
      return names.length === 0 ? 'an identity, but lists none' : listed(names)
    }
  }
}

function describeNetworks({ networks }: Authorization): string {
  const texts = networks.map(networkText)
  return texts.includes('0.0.0.0/0') && texts.includes('::/0') ? 'from anywhere' : `from ${listed(texts)}`
}

function listed(texts: readonly string[]): string {
  const more = texts.length - MAX_LISTED
  return more > 0 ? `${texts.slice(0, MAX_LISTED).join(', ')} and ${more} more` : texts.join(', ')
}

export function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))}%`
}
