/** Small clusters for tests: objects with the fields that discovery reads, through the same checks as real ones. */

import { type DescMessage, type MessageShape, toJson } from '@bufbuild/protobuf'
import { parse, parseAllDocuments } from 'yaml'
import { formatPath } from '../../api/resources/check.ts'
import { KINDS, type Kind, kindOf, type Resource } from '../../api/resources/kinds.ts'
import { checkKind, checkObject, formatProblem, parseManifests } from '../../api/resources/manifests.ts'
import { MemoryStore } from '../resources/store.ts'

export interface PodFixture {
  readonly name: string
  readonly ip: string
  readonly namespace?: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly labels?: Readonly<Record<string, string>>
  readonly isMeshed?: boolean
  readonly phase?: string
  readonly serviceAccount?: string
  readonly nodeName?: string
  readonly ports?: readonly object[]
  readonly containers?: readonly object[]
  readonly owner?: { readonly kind: string; readonly name: string }
}

export function pod(fixture: PodFixture): Resource {
  const { name, ip, namespace = 'shop', isMeshed = true, phase = 'Running', serviceAccount = 'web', owner } = fixture
  const proxy = {
    name: 'linkerd-proxy',
    image: 'proxy',
    restartPolicy: 'Always',
    env: [
      { name: 'LINKERD2_PROXY_INBOUND_LISTEN_ADDR', value: '0.0.0.0:4143' },
      { name: 'LINKERD2_PROXY_ADMIN_LISTEN_ADDR', value: '0.0.0.0:4191' },
      { name: 'LINKERD2_PROXY_CONTROL_LISTEN_ADDR', value: '0.0.0.0:4190' },
    ],
    readinessProbe: { httpGet: { path: '/ready', port: 4191 } },
  }
  return resource({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      annotations: fixture.annotations ?? {},
      labels: { ...(isMeshed && { 'linkerd.io/control-plane-ns': 'linkerd' }), ...fixture.labels },
      ...(owner && { ownerReferences: [{ apiVersion: 'apps/v1', uid: '', controller: true, ...owner }] }),
    },
    spec: {
      serviceAccountName: serviceAccount,
      nodeName: fixture.nodeName ?? 'node-a',
      initContainers: isMeshed ? [proxy] : [],
      containers: fixture.containers ?? [
        { name: 'app', image: 'app', ports: fixture.ports ?? [{ containerPort: 8080, name: 'http' }] },
      ],
    },
    status: { phase, podIP: ip, podIPs: [{ ip }], hostIP: '10.1.0.1' },
  })
}

export interface ServiceFixture {
  readonly name: string
  readonly clusterIP: string
  readonly namespace?: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly ports?: readonly object[]
  readonly spec?: object
}

export function service({
  name,
  clusterIP,
  namespace = 'shop',
  annotations = {},
  ports,
  spec,
}: ServiceFixture): Resource {
  return resource({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, annotations },
    spec: { clusterIP, ports: ports ?? [{ port: 80, targetPort: 8080 }], ...spec },
  })
}

export interface SliceFixture {
  readonly service: string
  readonly namespace?: string
  /** By pod name: its address, or more. */
  readonly pods?: Readonly<Record<string, string | object>>
  readonly endpoints?: readonly object[]
  readonly ports?: readonly object[]
  readonly addressType?: string
  readonly name?: string
}

export function slice({
  service,
  namespace = 'shop',
  pods = {},
  endpoints = [],
  ports,
  addressType,
  name,
}: SliceFixture): Resource {
  return resource({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: name ?? `${service}-1`, namespace, labels: { 'kubernetes.io/service-name': service } },
    addressType: addressType ?? 'IPv4',
    ports: ports ?? [{ name: '', port: 8080 }],
    endpoints: [
      ...Object.entries(pods).map(([pod, more]) => ({
        nodeName: 'node-a',
        targetRef: { kind: 'Pod', namespace, name: pod },
        ...(typeof more === 'string' ? { addresses: [more] } : more),
      })),
      ...endpoints,
    ],
  })
}

export function profile(name: string, namespace: string, spec: object): Resource {
  return resource({ apiVersion: 'linkerd.io/v1alpha2', kind: 'ServiceProfile', metadata: { name, namespace }, spec })
}

export interface PolicyFixture {
  readonly namespace?: string
  readonly annotations?: object
  readonly createdAt?: string
  readonly status?: object
}

/** A policy, route or authorization of a kind; its spec as YAML, of the first version of the kind. */
export function policyObject(kind: Kind, name: string, spec: string, given: PolicyFixture = {}): Resource {
  const { namespace = 'shop', annotations = {}, createdAt, status } = given
  const value = {
    apiVersion: KINDS[kind].apiVersions[0],
    kind: kind.split('.')[0],
    metadata: { name, namespace, annotations, ...(createdAt && { creationTimestamp: createdAt }) },
    spec: parse(spec),
    ...(status && { status }),
  }
  const problems: string[] = []
  const checked = checkObject(value, {
    problem: (path, message) => problems.push(`${path.join('.')}: ${message}`),
    note() {},
  })
  if (checked === undefined) throw new Error(problems.join('; '))
  return checked
}

export function storeOf(...objects: readonly Resource[]): MemoryStore {
  const store = new MemoryStore()
  store.apply(objects)
  return store
}

export function resource(value: object): Resource {
  const { objects, problems } = parseManifests(JSON.stringify(value), 'fixture')
  if (problems.length > 0) throw new Error(problems.map(formatProblem).join('; '))
  return objects[0]!
}

/** Objects of a manifest in YAML. */
export function manifest(yaml: string): readonly Resource[] {
  return [...parseAllDocuments(yaml)].flatMap((document) => {
    if (document.errors.length > 0) throw new Error(document.errors.join('; '))
    const value = document.toJS()
    if (value === null) return []
    const problems: string[] = []
    const object = checkKind(kindOf(value)!, value, {
      problem: (path, message) => problems.push(`${formatPath(path)}: ${message}`),
      note: () => undefined,
    })
    if (object === undefined) throw new Error(problems.join('; '))
    return object
  })
}

/** A message as JSON, for comparisons. */
// biome-ignore lint/suspicious/noExplicitAny: tests reach into it, and a wrong path fails the test
export function json<D extends DescMessage>(schema: D, message: MessageShape<D>): any {
  return toJson(schema, message)
}
