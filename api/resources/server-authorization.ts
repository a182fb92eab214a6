/** ServerAuthorization (policy.linkerd.io): clients that some Servers admit. The older form of AuthorizationPolicy. */
import { array, boolean, type Check, dnsLabel, object, optional, required, string, withDefault } from './check.ts'
import { type LabelSelector, labelSelector, type ObjectMeta, objectMeta } from './meta.ts'
import { type Network, networks } from './network.ts'

export interface ServerAuthorization {
  readonly apiVersion: string
  readonly kind: 'ServerAuthorization'
  readonly metadata: ObjectMeta
  readonly spec: ServerAuthorizationSpec
}
export interface ServerAuthorizationSpec {
  /** Exactly one of the two. */
  readonly server: { readonly name?: string; readonly selector?: LabelSelector }
  readonly client: AuthorizedClient
}
export interface AuthorizedClient {
  /** Absent: the networks of the cluster. */
  readonly networks?: readonly Network[]
  readonly unauthenticated: boolean
  readonly meshTLS?: {
    readonly unauthenticatedTLS: boolean
    readonly identities: readonly string[]
    readonly serviceAccounts: readonly { readonly name: string; readonly namespace?: string }[]
  }
}

const meshTls = object<NonNullable<AuthorizedClient['meshTLS']>>(
  {
    unauthenticatedTLS: withDefault(boolean, () => false),
    identities: withDefault(array(string), () => []),
    serviceAccounts: withDefault(
      array(
        object<{ readonly name: string; readonly namespace?: string }>(
          { name: required(dnsLabel), namespace: optional(dnsLabel) },
          { unknown: 'refuse' },
        ),
      ),
      () => [],
    ),
  },
  { unknown: 'refuse' },
)

const spec: Check<ServerAuthorizationSpec> = object<ServerAuthorizationSpec>(
  {
    server: required(
      object<ServerAuthorizationSpec['server']>(
        { name: optional(dnsLabel), selector: optional(labelSelector) },
        {
          unknown: 'refuse',
          also({ name, selector }, path, report) {
            if ((name === undefined) === (selector === undefined))
              report.problem(path, 'has to have exactly one of name and selector')
          },
        },
      ),
    ),
    client: required(
      object<AuthorizedClient>(
        {
          networks: optional(networks),
          unauthenticated: withDefault(boolean, () => false),
          meshTLS: optional(meshTls),
        },
        { unknown: 'refuse' },
      ),
    ),
  },
  { unknown: 'refuse' },
)

export const serverAuthorization: Check<ServerAuthorization> = object<ServerAuthorization>({
  apiVersion: required(string),
  kind: required((value) => value as 'ServerAuthorization'),
  metadata: required(objectMeta),
  spec: required(spec),
})
