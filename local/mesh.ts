/**
 * The control plane of the one-machine cluster: as on Kubernetes a pod with a sidecar of its own, made from the same
 * manifests as any other and injected by the same patch.
 */
import { join } from 'node:path'
import { formatPath, type Report } from '../api/resources/check.ts'
import type { Resource } from '../api/resources/kinds.ts'
import { checkObject } from '../api/resources/manifests.ts'
import type { Container, Pod } from '../api/resources/pod.ts'
import { pod as checkPod } from '../api/resources/pod.ts'
import {
  CONTROL_PLANE_UID,
  DEFAULT_CONTROL_PLANE_NS,
  ENV_PREFIX,
  Inject,
  MeshLabel,
  meshIdentity,
  Port,
  ProxyConfig,
  ServiceAccountName,
  ServiceName,
} from '../api/vocabulary.ts'
import { type InjectorConfig, injectorConfig } from '../injector/config.ts'
import { injectPod } from '../injector/patch.ts'
import { NODE_FLAGS } from '../proxy/node-flags.ts'
import type { InjectPod } from './cluster/admission.ts'
import type { LeafLifetime } from './supervisor-config.ts'

const NAMESPACE = DEFAULT_CONTROL_PLANE_NS
const CONTROL_NAME = 'linkerd-destination'
/** Where the control plane finds what the node gives it: the store's socket, the issuer, the key of the tokens. */
export const CONTROL_MOUNT = '/run/weft-control'

/** Name of the whole cluster's control plane in the mesh: one service account serves all three roles. */
export function controlPlaneIdentity(trustDomain: string): string {
  return meshIdentity({
    serviceAccount: ServiceAccountName.destination,
    namespace: NAMESPACE,
    controlPlaneNs: NAMESPACE,
    trustDomain,
  })
}

export function meshInjectorConfig(trustAnchorsPem: string, clusterDomain: string): InjectorConfig {
  const name = controlPlaneIdentity(clusterDomain)
  return injectorConfig({
    trustAnchorsPem,
    clusterDomain,
    disableIPv6: true,
    proxy: {
      // One process has the three roles, so the three names are its own.
      additionalEnv: ['IDENTITY_SVC_NAME', 'DESTINATION_SVC_NAME', 'POLICY_SVC_NAME'].map((key) => ({
        name: `${ENV_PREFIX}${key}`,
        value: name,
      })),
    },
  })
}

/** The injector as the door of the store uses it. What cannot be injected is refused, never started without its proxy. */
export function injector(config: InjectorConfig, warn: (sentence: string) => void): InjectPod {
  return (pod, namespace) => {
    const [owner] = pod.metadata.ownerReferences
    const injection = injectPod({ pod: pod as never, namespace: namespace as never, owner, config })
    const name = `Pod ${pod.metadata.namespace}/${pod.metadata.name}`
    if (injection.kind === 'refused') throw new Error(`${name} cannot be injected: ${injection.reasons.join('; ')}`)
    if (injection.kind === 'injected') for (const warning of injection.warnings) warn(`${name}: ${warning}`)
    return recheck(injection.pod, name)
  }
}

/** Objects of the control plane's namespace. */
export function controlPlaneManifests(hostDirectory: string, clusterDomain: string, leaf?: LeafLifetime): Resource[] {
  const labels = { [MeshLabel.controlPlaneComponent]: 'destination', 'weft.dev/component': 'control' }
  const service = (name: string, ports: { name: string; port: number }[], clusterIP?: string) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: NAMESPACE },
    // Found from its first moment on: its own readiness includes that of its proxy, which others need not wait for.
    spec: {
      publishNotReadyAddresses: true,
      selector: { 'weft.dev/component': 'control' },
      ports,
      ...(clusterIP === undefined ? {} : { clusterIP }),
    },
  })
  const manifests = [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: {
        name: NAMESPACE,
        labels: { [MeshLabel.isControlPlane]: 'true', [Inject.webhooksLabel]: 'disabled' },
        annotations: { [Inject.annotation]: 'disabled' },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: ServiceAccountName.destination, namespace: NAMESPACE },
    },
    service(ServiceName.destinationHeadless, [{ name: 'grpc', port: Port.destination }], 'None'),
    service(ServiceName.policy, [{ name: 'grpc', port: Port.policy }], 'None'),
    service(ServiceName.identityHeadless, [{ name: 'grpc', port: Port.identity }], 'None'),
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: CONTROL_NAME, namespace: NAMESPACE, labels },
      spec: {
        replicas: 1,
        selector: { matchLabels: { 'weft.dev/component': 'control' } },
        template: {
          metadata: { labels, annotations: controlPlaneAnnotations() },
          spec: {
            serviceAccountName: ServiceAccountName.destination,
            terminationGracePeriodSeconds: 5,
            volumes: [{ name: 'weft-control', hostPath: { path: hostDirectory } }],
            containers: [controlContainer(clusterDomain, leaf)],
          },
        },
      },
    },
  ]
  return manifests.map((manifest) => checked(manifest))
}

function controlPlaneAnnotations(): Record<string, string> {
  return {
    [Inject.annotation]: Inject.enabled,
    // Its proxy needs the control plane in order to start, and the control plane needs nobody: so beside and not before.
    [ProxyConfig.proxyAwait]: 'disabled',
    [ProxyConfig.enableNativeSidecar]: 'false',
    [ProxyConfig.proxyAdditionalEnv]: JSON.stringify([
      { name: `${ENV_PREFIX}IDENTITY_SVC_ADDR`, value: `localhost.:${Port.identity}` },
      { name: `${ENV_PREFIX}DESTINATION_SVC_ADDR`, value: `localhost.:${Port.destination}` },
      { name: `${ENV_PREFIX}POLICY_SVC_ADDR`, value: `localhost.:${Port.policy}` },
    ]),
  }
}

function controlContainer(clusterDomain: string, leaf: LeafLifetime | undefined): unknown {
  const lifetime =
    leaf === undefined
      ? []
      : ['--leaf-lifetime-ms', String(leaf.lifetimeMs), '--clock-skew-ms', String(leaf.clockSkewMs)]
  return {
    name: 'control',
    command: ['weft', 'control'],
    args: ['--directory', CONTROL_MOUNT, '--cluster-domain', clusterDomain, ...lifetime],
    ports: [
      { name: 'identity', containerPort: Port.identity },
      { name: 'destination', containerPort: Port.destination },
      { name: 'policy', containerPort: Port.policy },
    ],
    readinessProbe: { tcpSocket: { port: Port.destination }, periodSeconds: 2 },
    securityContext: { runAsUser: CONTROL_PLANE_UID, runAsGroup: CONTROL_PLANE_UID },
    volumeMounts: [{ name: 'weft-control', mountPath: CONTROL_MOUNT }],
  }
}

function recheck(value: unknown, name: string): Pod {
  const problems: string[] = []
  const report: Report = {
    problem: (path, message) => problems.push(`${formatPath(path)}: ${message}`),
    note: () => {},
  }
  const pod = checkPod(value, [], report)
  if (pod === undefined) throw new Error(`${name} is wrong after injection: ${problems.join('; ')}`)
  return pod
}

function checked(manifest: unknown): Resource {
  const problems: string[] = []
  const report: Report = {
    problem: (path, message) => problems.push(`${formatPath(path)}: ${message}`),
    note: () => {},
  }
  const object = checkObject(manifest, report)
  if (object === undefined) throw new Error(`our own manifest is wrong: ${problems.join('; ')}`)
  return object
}

/** Which program a container of ours means by `weft`: the bundles lie where every container can be given them. */
export function entrypointOf(container: Container, node: string, bin: string): readonly string[] | undefined {
  const [program, command, ...rest] = container.command ?? []
  if (program !== 'weft') return undefined
  switch (command) {
    case 'proxy':
      return [node, ...NODE_FLAGS, join(bin, 'proxy.cjs'), ...rest]
    case 'control':
      return [node, join(bin, 'local-control.mjs'), ...rest]
    default:
      return [node, join(bin, 'cli.mjs'), ...(command === undefined ? [] : [command]), ...rest]
  }
}
