/** How a request travels to an endpoint, and what its head says about that (facts: orig-proto). */
import { CONNECT, hasMethod } from '../http/method.ts'
import { Carriage } from '../io/http-clients.ts'
import { type Head, Version } from '../wire/head.ts'
import { token } from '../wire/tokens.ts'
import type { Endpoint } from './endpoint.ts'

const HOST = token('host')
const TE = token('te')
const ORIG_PROTO = token('l5d-orig-proto')
const NOTHING = Buffer.alloc(0)
/** Values of `l5d-orig-proto` by the minor version of HTTP/1. */
const ORIGIN_FORM = ['HTTP/1.0', 'HTTP/1.1'].map((version) => Buffer.from(version, 'latin1'))
const ABSOLUTE_FORM = ORIGIN_FORM.map((version) => Buffer.from(`${version}; absolute-form`, 'latin1'))

/** A request that becomes a tunnel: HTTP/1 alone can carry it. */
export function isUpgrade(head: Head): boolean {
  return head.version !== Version.http2 && (head.isUpgrade || hasMethod(head, CONNECT))
}

/** The form of a request as it came. */
export function carriageOf(head: Head): Carriage {
  if (head.version === Version.http2) return Carriage.http2
  const host = head.find(HOST)
  const isPooled = head.version !== Version.http10 && host !== -1 && !head.isAt(host, NOTHING)
  return isPooled && !isUpgrade(head) ? Carriage.http1 : Carriage.http1Unpooled
}

/**
 * The form in which a request goes to `endpoint`, and marks `head` for it: HTTP/1 between proxies is HTTP/2, and the peer
 * restores version and form.
 */
export function carriageTo(endpoint: Endpoint, own: Carriage, isTunnel: boolean, head: Head): Carriage {
  if (own === Carriage.http2 || !endpoint.isUpgradeable || isTunnel) {
    head.drop(ORIG_PROTO)
    return own
  }
  const minor = head.version === Version.http10 ? 0 : 1
  head.set(ORIG_PROTO, (head.isAbsoluteForm ? ABSOLUTE_FORM : ORIGIN_FORM)[minor]!)
  const te = head.get(TE)
  if (te !== undefined && te !== 'trailers') head.drop(TE)
  return Carriage.http2
}
