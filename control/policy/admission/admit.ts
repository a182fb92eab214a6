/**
 * What an admission webhook says about an object of policy, as a pure function: everything that its schema lets
 * through and no controller could use as it is written.
 *
 * Asked by the webhook, by `weft check-policy` and by the local cluster, of one object alone: what it refers to may
 * come later, and status tells when it is not there.
 */
import { formatPath, type Path } from '../../../api/resources/check.ts'
import { kindOf, type Resource } from '../../../api/resources/kinds.ts'
import {
  admitAuthorizationPolicy,
  admitMeshTlsAuthentication,
  admitServer,
  admitServerAuthorization,
} from './authorization.ts'
import { admitRateLimit } from './rate-limit.ts'
import { admitGrpcRoute, admitHttpRoute, admitStreamRoute } from './route.ts'

/** Hears of each problem: where it is, and what to do. */
export type Refuse = (path: Path, message: string) => void

/** @returns nothing when the object may be used */
export function admit(object: Resource): readonly { readonly path: Path; readonly message: string }[] {
  const problems: { path: Path; message: string }[] = []
  const refuse: Refuse = (path, message) => problems.push({ path, message })
  switch (object.kind) {
    case 'Server':
      admitServer(object, refuse)
      break
    case 'ServerAuthorization':
      admitServerAuthorization(object, refuse)
      break
    case 'AuthorizationPolicy':
      admitAuthorizationPolicy(object, refuse)
      break
    case 'MeshTLSAuthentication':
      admitMeshTlsAuthentication(object, refuse)
      break
    case 'HTTPLocalRateLimitPolicy':
      admitRateLimit(object, refuse)
      break
    case 'HTTPRoute':
      admitHttpRoute(object, kindOf(object) === 'HTTPRoute', refuse)
      break
    case 'GRPCRoute':
      admitGrpcRoute(object, refuse)
      break
    case 'TLSRoute':
    case 'TCPRoute':
      admitStreamRoute(object, refuse)
      break
  }
  return problems
}

/** `spec.rules[0].matches[0].path.value: "(" is not …`, as a webhook's answer has it. */
export function formatRefusal({ path, message }: { readonly path: Path; readonly message: string }): string {
  return `${formatPath(path)}: ${message}`
}
