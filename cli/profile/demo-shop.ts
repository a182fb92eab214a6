/**
 * The service profiles of the demo shop. Nobody wrote them: they come out of the documents that describe its services,
 * as `weft profile` would print them.
 */
import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { DEFAULT_CLUSTER_DOMAIN } from '../../api/vocabulary.ts'
import { routesOfOpenApi } from './open-api.ts'
import { formatProfile } from './profile.ts'
import { routesOfProto } from './proto.ts'

export const DEMO_NAMESPACE = 'shop'

const SOURCES = [
  { service: 'prices', option: '--open-api', path: 'demo/openapi/prices.yaml', read: routesOfOpenApi },
  { service: 'inventory', option: '--proto', path: 'demo/proto/inventory.proto', read: routesOfProto },
] as const

export interface DemoProfile {
  readonly service: string
  /** The command that prints the same, for people. */
  readonly command: string
  /** The ServiceProfile, as YAML. */
  readonly manifest: string
}

/** @param root the folder that holds `demo/` */
export function demoProfiles(root: string, clusterDomain = DEFAULT_CLUSTER_DOMAIN): readonly DemoProfile[] {
  return SOURCES.map(({ service, option, path, read }) => {
    const file = join(root, path)
    const { routes } = read(readFileSync(file, 'utf8'), relative(process.cwd(), file))
    const target = { service, namespace: DEMO_NAMESPACE, clusterDomain }
    return {
      service,
      command: `weft profile ${option} ${path} ${service} -n ${DEMO_NAMESPACE}`,
      manifest: formatProfile(target, routes, 'yaml'),
    }
  })
}
