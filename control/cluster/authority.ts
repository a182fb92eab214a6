/** Names that clients look up: `<service>.<namespace>.svc.<domain>:<port>` and its relatives. */
import { canonicalIp } from '../../api/ip.ts'

export interface Authority {
  /** Lower case, without a trailing dot; an address is canonical and without brackets. */
  readonly host: string
  readonly isIp: boolean
  readonly port: number
}

export interface ServiceRef {
  readonly namespace: string
  readonly name: string
  /** One pod of a headless service: `web-0.web.shop.svc.cluster.local`. */
  readonly instance: string | undefined
}

/** RFC 1035 §2.3.4; anything longer is no name and is not kept. */
const MAX_HOST_LENGTH = 253

/** Parses `host[:port]`; the port is 80 when absent. `undefined` when it is none. */
export function parseAuthority(text: string): Authority | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]\s/]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const given = bracketed ?? plain
  const port = digits === undefined ? 80 : Number(digits)
  if (given === undefined || port < 1 || port > 65_535) return undefined
  const ip = canonicalIp(given)
  if (ip !== undefined) return { host: ip, isIp: true, port }
  const host = given.toLowerCase().replace(/\.$/, '')
  if (bracketed !== undefined || host === '' || host.length > MAX_HOST_LENGTH) return undefined
  return { host, isIp: false, port }
}

/** The service a full name means; `undefined` when it is not one of this cluster domain. */
export function parseServiceName(host: string, clusterDomain: string): ServiceRef | undefined {
  const suffix = `.svc.${clusterDomain}`
  if (!host.endsWith(suffix)) return undefined
  const labels = host.slice(0, -suffix.length).split('.')
  if (labels.some((label) => label === '')) return undefined
  const [first, second, third, ...rest] = labels
  if (first === undefined || second === undefined || rest.length > 0) return undefined
  if (third === undefined) return { name: first, namespace: second, instance: undefined }
  return { instance: first, name: second, namespace: third }
}
