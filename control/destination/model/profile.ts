/** What a client gets to know about one address or name. Plain data. */
import type { ServiceProfile } from '../../../api/resources/service-profile.ts'
import type { Endpoint } from './endpoint.ts'

export type Profile =
  | {
      readonly kind: 'service'
      readonly fullName: string
      readonly namespace: string
      readonly name: string
      readonly port: number
      readonly isOpaque: boolean
      /** The one that counts for this client. */
      readonly profile: ServiceProfile | undefined
    }
  /** A service that does not declare the port: the policy API refuses such connections. */
  | { readonly kind: 'undefinedPort' }
  | { readonly kind: 'endpoint'; readonly endpoint: Endpoint; readonly isOpaque: boolean }

/** Resources are replaced, never changed, so the same ServiceProfile object is the same profile. */
export function isSameProfile(a: Profile, b: Profile): boolean {
  if (a.kind === 'service' && b.kind === 'service') {
    const { profile: profileA, ...fieldsA } = a
    const { profile: profileB, ...fieldsB } = b
    return profileA === profileB && JSON.stringify(fieldsA) === JSON.stringify(fieldsB)
  }
  return JSON.stringify(a) === JSON.stringify(b)
}
