/** Fields that concern one connection only (RFC 9110 §7.6.1): a proxy does not pass them on. */
import { Encoding, FIELD, FIELD_STRIDE, FLAG, type Head, Version } from '../wire/head.ts'
import { TOKEN_NAMES, token } from '../wire/tokens.ts'

const CONNECTION = token('connection')
const UPGRADE = token('upgrade')
const TE = token('te')
/** A protocol of a list that means HTTP/2, with or without a version. */
const HTTP2_PROTOCOL = /(^|[\s,])(h2c?|http)(\/|[\s,]|$)/i

const HOP_BY_HOP = new Uint8Array(TOKEN_NAMES.length)
for (const name of [
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'te',
  'upgrade',
  'http2-settings',
] as const)
  HOP_BY_HOP[token(name)] = 1

/** Connection options that name no field to remove. Framing is ours to decide: a Connection field that names it is an attack. */
const KEPT_OPTIONS = new Set(['', 'close', 'keep-alive', 'content-length', 'host', 'te', 'transfer-encoding'])

/**
 * Removes them, and every field that Connection names, from a head that came as HTTP/1. `te: trailers` stays: trailers are
 * passed on, so what the client takes of them is true of this proxy too (RFC 9110 §10.1.4).
 */
export function dropHopByHop(head: Head, keepsUpgrade: boolean): void {
  if (head.encoding !== Encoding.http1) return
  const { fields, count } = head
  let hasConnection = false
  for (let row = 0, last = count * FIELD_STRIDE; row < last; row += FIELD_STRIDE) {
    const known = fields[row]!
    if (HOP_BY_HOP[known] === 0 || (known === UPGRADE && keepsUpgrade)) continue
    if (known === CONNECTION) hasConnection = true
    else if (known === TE && takesTrailers(head, row / FIELD_STRIDE)) continue
    else fields[row + FIELD.flags]! |= FLAG.dropped
  }
  if (hasConnection) dropNamed(head, keepsUpgrade)
}

function dropNamed(head: Head, keepsUpgrade: boolean): void {
  for (const value of head.valuesOf('connection')) {
    for (const option of value.split(',')) {
      const name = option.trim().toLowerCase()
      // An option is a token: one that begins with a colon names no field, least of all a pseudo-field.
      if (KEPT_OPTIONS.has(name) || name.startsWith(':') || (keepsUpgrade && name === 'upgrade')) continue
      head.dropName(name)
    }
  }
  head.drop(CONNECTION)
}

/** Whether the TE field says `trailers` and nothing else: other codings are ours to choose, and we choose none. */
function takesTrailers(head: Head, index: number): boolean {
  return head.version !== Version.http10 && head.valueAt(index).toLowerCase() === 'trailers'
}

/** Whether `connection: close` stands in a head that was made here; a received one says so in `isKeepAlive`. */
export function saysClose(head: Head): boolean {
  return head.get(CONNECTION) === 'close'
}

/**
 * HTTP/2 by Upgrade is not offered (RFC 9113 §3.1 withdrew it): such a request is served as plain HTTP/1. Also where h2c is
 * one protocol of several: an application that chose it would take requests through a tunnel, past every decision.
 */
export function refuseH2c(head: Head): void {
  if (head.isUpgrade && head.valuesOf('upgrade').some((protocols) => HTTP2_PROTOCOL.test(protocols)))
    head.isUpgrade = false
}
