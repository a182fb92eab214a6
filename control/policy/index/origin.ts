/** Names of objects in policies. */
import type { Resource } from '../../../api/resources/kinds.ts'
import type { Origin, ResourceName } from '../model/route.ts'

export function resourceName({ apiVersion, kind, metadata }: Resource): ResourceName {
  const [group = ''] = apiVersion.includes('/') ? apiVersion.split('/') : ['core']
  const { namespace, name, generation } = metadata
  return { group, kind, namespace, name, generation }
}

export function resourceOrigin(resource: Resource, port?: number): Origin {
  return { kind: 'resource', resource: resourceName(resource), ...(port !== undefined && { port }) }
}

export function defaultOrigin(name: string): Origin {
  return { kind: 'default', name }
}
