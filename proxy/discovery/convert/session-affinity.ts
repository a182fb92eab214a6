/** `weft.proto` to session affinity. */
import type { SessionAffinity_Cookie, SessionAffinity as SessionMessage } from '../../../api/gen/weft_pb.js'
import type { SessionAffinity, SessionKey } from '../../policy/balance/session-affinity.ts'
import { headerNameOf } from './match.ts'
import { limitMs, Refused } from './refused.ts'

const DEFAULT_MAX_LOAD = 1.25
const MAX_MAX_LOAD = 100

export function sessionAffinityOf({ key, maxLoad }: SessionMessage): SessionAffinity {
  // In single precision: 1.1 comes as 1.10000002.
  const load = maxLoad === 0 ? DEFAULT_MAX_LOAD : maxLoad
  if (!(load >= 1 && load <= MAX_MAX_LOAD)) throw new Refused(`the load ${load} of sessions is not in 1 to 100`)
  return { key: keyOf(key), maxLoad: load }
}

function keyOf(key: SessionMessage['key']): SessionKey {
  switch (key.case) {
    case 'header':
      return { kind: 'header', name: headerNameOf(key.value) }
    case 'cookie':
      return cookieOf(key.value)
    case undefined:
      throw new Refused('session affinity is by a key that this version does not know')
  }
}

/** All of it ends up in a response header. */
function cookieOf({ name, path, ttl }: SessionAffinity_Cookie): SessionKey {
  if (!/^[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,128}$/.test(name)) throw new Refused(`"${name}" is not the name of a cookie`)
  if (!/^(?:\/[!-:<-~]{0,1023})?$/.test(path)) throw new Refused(`"${path}" is not the path of a cookie`)
  return { kind: 'cookie', name, path: path === '' ? '/' : path, ttlMs: limitMs(ttl, 'the life of a cookie') }
}
