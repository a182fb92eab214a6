/** The changes of the cluster whose way to the proxies is measured, and which streams each of them concerns. */

import { profile, service } from '../../control/cluster/fixtures.ts'
import type { Batch } from '../../control/resources/store.ts'
import {
  APP_PORT,
  authenticationOf,
  CANARY,
  CANARY_NAME,
  consumerNamespaceOf,
  type MeshProxy,
  namespaceOf,
  podOf,
  podsOf,
  type Question,
  routeOf,
  SERVICE_PORT,
  type Size,
  serverOf,
  serviceName,
  sliceOf,
} from './cluster.ts'

export interface Change {
  readonly name: string
  /** @param round from 0: every round is a change from the one before */
  readonly batch: (size: Size, round: number) => Batch
  readonly concerns: (size: Size, proxy: MeshProxy, question: Question) => boolean
}

/** Services by what their routes are: see `cluster.ts`. */
const COMMON = 0
const HTTP = 1
const GRPC = 2
const CONSUMER = 3

export const CHANGES: readonly Change[] = [
  edited('HTTPRoute', (size, version) => routeOf(size, HTTP, version), isAbout('policy', HTTP)),
  edited('GRPCRoute', (size, version) => routeOf(size, GRPC, version), isAbout('policy', GRPC)),
  edited(
    'consumer route',
    (size, version) => routeOf(size, CONSUMER, version),
    (size, proxy, question) =>
      isAbout('policy', CONSUMER)(size, proxy, question) && proxy.namespace === consumerNamespaceOf(size, CONSUMER),
  ),
  edited('route of the common Service', (size, version) => routeOf(size, COMMON, version), isAbout('policy', COMMON)),
  edited('Server', (size, version) => serverOf(size, HTTP, version), isPortOf(HTTP)),
  edited('MeshTLSAuthentication', (size, version) => authenticationOf(size, GRPC, version), isPortOf(GRPC)),
  edited('ServiceProfile', profileOf, isAbout('profile', HTTP)),
  edited('endpoints', (size, version) => sliceWithout(size, GRPC, version), isAbout('endpoints', GRPC)),
  edited(
    'endpoints of the common Service',
    (size, version) => sliceWithout(size, COMMON, version),
    isAbout('endpoints', COMMON),
  ),
  {
    name: 'Service created or deleted',
    batch(size, round) {
      const namespace = namespaceOf(size, CANARY)
      if (round % 2 === 1) return { delete: [{ kind: 'Service', namespace, name: CANARY_NAME }] }
      const ports = [{ port: SERVICE_PORT, targetPort: APP_PORT }]
      return { apply: [service({ name: CANARY_NAME, namespace, clusterIP: '10.97.0.1', ports })] }
    },
    concerns: isAbout('policy', CANARY),
  },
  edited(
    'Service nobody calls',
    (size, version) =>
      service({
        name: 'unused',
        namespace: namespaceOf(size, COMMON),
        clusterIP: '10.97.0.2',
        ports: [{ port: SERVICE_PORT + version, targetPort: APP_PORT }],
      }),
    () => false,
  ),
  edited(
    'Pod, nothing proxies know of',
    (size, version) => podOf(size, HTTP, true, { version: `${version}` }),
    () => false,
  ),
]

function edited(
  name: string,
  object: (size: Size, version: number) => ReturnType<typeof routeOf>,
  concerns: Change['concerns'],
): Change {
  return { name, batch: (size, round) => ({ apply: [object(size, round + 1)] }), concerns }
}

function isAbout(kind: Question['kind'], service: number): Change['concerns'] {
  return (_, __, question) => question.kind === kind && question.kind !== 'port' && question.service === service
}

function isPortOf(service: number): Change['concerns'] {
  return (_, proxy, question) => question.kind === 'port' && question.port === APP_PORT && proxy.service === service
}

function profileOf(size: Size, version: number) {
  const namespace = namespaceOf(size, HTTP)
  return profile(`${serviceName(HTTP)}.${namespace}.svc.cluster.local`, namespace, {
    routes: [{ name: `v${version}`, condition: { pathRegex: '/.*' } }],
  })
}

/** Its first pod goes and comes back. */
function sliceWithout(size: Size, index: number, version: number) {
  const pods = podsOf(size, index)
  return sliceOf(size, index, version % 2 === 1 ? pods.slice(1) : pods)
}
