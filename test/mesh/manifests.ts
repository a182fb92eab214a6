/** Kubernetes objects for the mesh suite, as plain JSON, which is YAML too. */
import { TestPort } from './app/grpc-echo.ts'

export type Manifest = Readonly<Record<string, unknown>>

/** Commands start in the checkout; the Node that runs the tests runs the test programs. */
const NODE = process.execPath
export const AGENT = [NODE, 'test/mesh/app/agent.ts']
export const SERVER = [NODE, 'test/mesh/app/server.ts']
const ROGUE = [NODE, 'test/mesh/app/rogue.ts']

type Annotations = Readonly<Record<string, string>>

export function namespace(name: string, isMeshed: boolean): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, annotations: { 'linkerd.io/inject': isMeshed ? 'enabled' : 'disabled' } },
  }
}

export interface Workload {
  readonly name: string
  readonly namespace: string
  readonly replicas?: number
  readonly annotations?: Annotations
  readonly env?: Readonly<Record<string, string>>
}

/** A pod in which the test runs its agent. */
export function client({ name, namespace, annotations = {} }: Workload): Manifest[] {
  return workload({ name, namespace, annotations }, [{ name: 'client', command: ['sleep', 'infinity'] }])
}

/** The test server and its service of the same name, with a service account of its own. */
export function server(
  { name, namespace, replicas = 1, annotations = {}, env = {} }: Workload,
  serviceAnnotations: Annotations = {},
  sidecars: readonly unknown[] = [],
): Manifest[] {
  const container = {
    name: 'server',
    command: SERVER,
    env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
    ports: Object.entries(TestPort).map(([key, containerPort]) => ({ name: key.toLowerCase(), containerPort })),
    readinessProbe: { httpGet: { path: '/ready', port: TestPort.http }, periodSeconds: 1, timeoutSeconds: 5 },
  }
  return [
    ...workload({ name, namespace, replicas, annotations }, [container, ...sidecars]),
    serviceOf(name, namespace, name, serviceAnnotations),
  ]
}

/** MariaDB (`mariadb-server-core`) with an empty directory of data and without accounts, and its service of the same name. */
export function mariadb({ name, namespace }: Workload, port: number): Manifest[] {
  const options = [
    '--no-defaults --skip-grant-tables --skip-name-resolve --max-connect-errors=1000000',
    '--innodb-buffer-pool-size=8M --innodb-log-file-size=4M',
    `--port=${port} --user=$(id -un) --datadir=$data --socket=$data/socket --pid-file=$data/pid`,
  ]
  const script = `data=$(mktemp -d); trap 'kill $server; wait $server; rm -rf $data' TERM
    mariadbd ${options.join(' ')} & server=$!; wait $server`
  const container = {
    name: 'mariadb',
    command: ['sh', '-c', script],
    ports: [{ name: 'sql', containerPort: port }],
    readinessProbe: { tcpSocket: { port }, periodSeconds: 1 },
  }
  return [
    ...workload({ name, namespace }, [container]),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace },
      spec: { selector: { app: name }, ports: [{ name: 'sql', port, targetPort: port }] },
    },
  ]
}

/** A service of the test server `app` under a name of its own. */
export function serviceOf(name: string, namespace: string, app: string, annotations: Annotations = {}): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, annotations },
    spec: {
      selector: { app },
      ports: Object.entries(TestPort).map(([key, port]) => ({ name: key.toLowerCase(), port, targetPort: port })),
    },
  }
}

/** A container that may look at the packets of its pod. */
export function captureContainer(): unknown {
  return {
    name: 'capture',
    command: ['sleep', 'infinity'],
    securityContext: { runAsUser: 0, capabilities: { add: ['NET_RAW', 'NET_ADMIN'] } },
  }
}

export function rogue({ name, namespace, env = {} }: Workload): Manifest[] {
  return workload({ name, namespace }, [
    {
      name: 'rogue',
      command: ROGUE,
      env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
      readinessProbe: { tcpSocket: { port: TestPort.http }, periodSeconds: 1 },
    },
  ])
}

/** A service without selector and its one endpoint: the address of one pod under the name of another. */
export function endpointOf(
  name: string,
  namespace: string,
  ip: string,
  pod: { readonly name: string; readonly namespace: string },
): Manifest[] {
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace },
      spec: { ports: [{ name: 'http', port: TestPort.http }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${name}-1`, namespace, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: TestPort.http, protocol: 'TCP' }],
      endpoints: [{ addresses: [ip], conditions: { ready: true }, targetRef: { kind: 'Pod', ...pod } }],
    },
  ]
}

export function serviceProfile(name: string, namespace: string, spec: unknown): Manifest {
  return {
    apiVersion: 'linkerd.io/v1alpha2',
    kind: 'ServiceProfile',
    metadata: { name: `${name}.${namespace}.svc.cluster.local`, namespace },
    spec,
  }
}

function workload(
  { name, namespace, replicas = 1, annotations }: Workload,
  containers: readonly unknown[],
): Manifest[] {
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace },
      spec: {
        replicas,
        selector: { matchLabels: { app: name } },
        template: {
          metadata: { labels: { app: name }, annotations },
          spec: { serviceAccountName: name, terminationGracePeriodSeconds: 20, containers },
        },
      },
    },
  ]
}
