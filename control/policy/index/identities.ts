/**
 * How authorizations name clients: mesh identities, patterns of them, ServiceAccounts and Namespaces.
 *
 * Whatever is no name of a client is a sentence and not skipped: beside it stands what somebody wanted to admit, and a
 * list of which half counts is not what was written.
 */
import { meshIdentity } from '../../../api/vocabulary.ts'
import type { ClusterConfig } from '../../cluster/config.ts'
import type { Identities } from '../model/inbound.ts'

/** `*` is every identity, `*.shop` those that end with `.shop`, others are themselves. @returns or what is wrong */
export function identitiesNamed(texts: readonly string[]): Identities | string {
  const exact: string[] = []
  const suffixes: string[] = []
  for (const text of texts) {
    if (text === '*') suffixes.push('')
    else if (text.startsWith('*.') && isDnsName(text.slice(2))) suffixes.push(text.slice(2))
    else if (isDnsName(text) || isSpiffeId(text)) exact.push(text)
    else
      return `"${text.slice(0, 100)}" is not an identity such as web.shop.serviceaccount.…, *.suffix, * or spiffe://…`
  }
  return { exact, suffixes }
}

/** @returns its identity, or what is wrong */
export function serviceAccountIdentity(
  config: ClusterConfig,
  namespace: string,
  serviceAccount: string,
): { readonly identity: string } | string {
  // A name such as "*" must not turn into a pattern.
  if (!isDnsName(serviceAccount) || !isDnsLabel(namespace))
    return `"${namespace}/${serviceAccount}" is not a ServiceAccount`
  const { controlPlaneNs, trustDomain } = config
  return { identity: meshIdentity({ serviceAccount, namespace, controlPlaneNs, trustDomain }) }
}

/** @returns what the identities of all its ServiceAccounts end with, or what is wrong */
export function namespaceSuffix(
  { controlPlaneNs, trustDomain }: ClusterConfig,
  namespace: string,
): { readonly suffix: string } | string {
  if (!isDnsLabel(namespace)) return `"${namespace.slice(0, 100)}" is not a Namespace`
  return { suffix: `${namespace}.serviceaccount.identity.${controlPlaneNs}.${trustDomain}` }
}

const LABEL = '[a-z0-9](?:[-a-z0-9]*[a-z0-9])?'
const DNS_LABEL = new RegExp(`^${LABEL}$`)
const DNS_NAME = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`)
/** SPIFFE-ID §2: a trust domain, and a path of segments that are not empty, `.` or `..`. */
const SPIFFE_ID = /^spiffe:\/\/[a-z0-9._-]+(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)*$/
const MAX_SPIFFE_ID_LENGTH = 2_048

function isDnsLabel(text: string): boolean {
  return text.length <= 63 && DNS_LABEL.test(text)
}

function isDnsName(text: string): boolean {
  return text.length <= 253 && DNS_NAME.test(text)
}

function isSpiffeId(text: string): boolean {
  return text.length <= MAX_SPIFFE_ID_LENGTH && SPIFFE_ID.test(text)
}
