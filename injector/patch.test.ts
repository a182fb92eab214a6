import { test } from 'tap'
import { injectorConfig } from './config.ts'
import { injectService } from './patch.ts'
import type { Service } from './pod.ts'
import { ANCHORS, containerNamed, ENABLED, injectShape, namespaceOf, type Shape } from './testing.ts'

/** What a case says about the injected pod; what it does not say is not looked at. */
interface Expected {
  /** Variables of the proxy without their prefix; `undefined` for one that must not be there. */
  readonly env?: { readonly [name: string]: string | undefined }
  /** The end of the environment. */
  readonly lastEnv?: readonly object[]
  readonly proxy?: object
  readonly init?: object
  /** Argument to `linkerd-init` and the value behind it; `undefined` for one that must not be there. */
  readonly args?: { readonly [argument: string]: string | undefined }
  /** Names in the order of `initContainers`, then of `containers`. */
  readonly order?: readonly [string, string]
  readonly labels?: object
  readonly annotations?: object
  readonly volumes?: string
  readonly warnings?: readonly string[]
}

const config = (name: string, value: string) => ({ [`config.linkerd.io/${name}`]: value })
const onPod = (name: string, value: string): Shape => ({ pod: config(name, value) })
const onNs = (name: string, value: string): Shape => ({ ns: { ...ENABLED, ...config(name, value) } })

const NATIVE = ['linkerd-init linkerd-proxy', 'web'] as const

const CASES: readonly (Shape & { readonly name: string; readonly expect: Expected })[] = [
  {
    name: 'a pod of a Deployment, all by default',
    owner: { kind: 'Deployment', name: 'web' },
    expect: {
      order: NATIVE,
      labels: {
        app: 'web',
        'linkerd.io/control-plane-ns': 'linkerd',
        'linkerd.io/workload-ns': 'shop',
        'linkerd.io/proxy-deployment': 'web',
      },
      annotations: {
        'linkerd.io/inject': 'enabled',
        'linkerd.io/created-by': 'weft/proxy-injector 0.1.0',
        'linkerd.io/proxy-version': '0.1.0',
        'linkerd.io/trust-root-sha256': /^[0-9a-f]{64}$/,
      },
      volumes: 'linkerd-proxy-init-xtables-lock linkerd-identity-end-entity linkerd-identity-token',
      proxy: {
        command: ['weft', 'proxy'],
        restartPolicy: 'Always',
        startupProbe: { httpGet: { path: '/ready', port: 4191 }, periodSeconds: 1, failureThreshold: 120 },
        livenessProbe: { httpGet: { path: '/live', port: 4191 }, initialDelaySeconds: 10, timeoutSeconds: 1 },
        readinessProbe: { httpGet: { path: '/ready', port: 4191 }, initialDelaySeconds: 2, timeoutSeconds: 1 },
        securityContext: {
          runAsUser: 2102,
          runAsGroup: undefined,
          readOnlyRootFilesystem: true,
          capabilities: undefined,
        },
        resources: undefined,
        lifecycle: undefined,
      },
      env: {
        CORES: '1',
        CORES_MAX: undefined,
        LOG: 'warn,linkerd=info,hickory=error,[{headers}]=off,[{request}]=off',
        INBOUND_PORTS: '8080',
        INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION: '25,587,3306,4444,5432,6379,9300,11211',
        INBOUND_LISTEN_ADDR: '0.0.0.0:4143',
        OUTBOUND_LISTEN_ADDRS: '127.0.0.1:4140',
        DESTINATION_SVC_ADDR: 'linkerd-dst-headless.linkerd.svc.cluster.local.:8086',
        IDENTITY_LOCAL_NAME: '$(_pod_sa).$(_pod_ns).serviceaccount.identity.linkerd.cluster.local',
        IDENTITY_SVC_NAME: 'linkerd-identity.linkerd.serviceaccount.identity.linkerd.cluster.local',
        POLICY_SVC_NAME: 'linkerd-destination.linkerd.serviceaccount.identity.linkerd.cluster.local',
        IDENTITY_TRUST_ANCHORS: ANCHORS,
        SHUTDOWN_GRACE_PERIOD: undefined,
        ACCESS_LOG: undefined,
        INGRESS_MODE: undefined,
      },
      warnings: [],
    },
  },
  {
    name: 'a bare pod without owner, labels or namespace name',
    labels: {},
    expect: { labels: { 'linkerd.io/proxy-deployment': undefined, 'linkerd.io/proxy-pod': undefined } },
  },
  {
    name: 'a CronJob owns through its Job',
    owner: { kind: 'CronJob', name: 'nightly' },
    expect: { labels: { 'linkerd.io/proxy-cronjob': 'nightly' } },
  },
  {
    name: 'an owner name too long for a label is left out',
    owner: { kind: 'StatefulSet', name: 'x'.repeat(64) },
    expect: { labels: { 'linkerd.io/proxy-statefulset': undefined } },
  },
  {
    name: 'the pod enables itself',
    ns: {},
    pod: ENABLED,
    expect: { order: NATIVE },
  },
  {
    name: 'ingress mode from the namespace',
    ns: { 'linkerd.io/inject': 'ingress' },
    expect: { env: { INGRESS_MODE: 'true' }, annotations: { 'linkerd.io/inject': 'ingress' } },
  },
  {
    name: 'the pod says enabled where the namespace says ingress',
    ns: { 'linkerd.io/inject': 'ingress' },
    pod: ENABLED,
    expect: { env: { INGRESS_MODE: undefined }, annotations: { 'linkerd.io/inject': 'enabled' } },
  },
  {
    name: 'existing init containers follow the proxy',
    spec: { initContainers: [{ name: 'migrate', image: 'shop/migrate', ports: [{ containerPort: 9100 }] }] },
    app: { ports: [{ containerPort: 80 }, { containerPort: 1000 }] },
    expect: { order: ['linkerd-init linkerd-proxy migrate', 'web'], env: { INBOUND_PORTS: '1000,80,9100' } },
  },
  {
    name: 'no container ports',
    app: { ports: [] },
    expect: { env: { INBOUND_PORTS: '' } },
  },
  {
    name: 'numeric HTTP probe ports are inbound ports',
    app: {
      readinessProbe: { httpGet: { port: 9000 } },
      livenessProbe: { httpGet: { port: 'admin' } },
      startupProbe: { httpGet: { port: 9001 } },
    },
    expect: { env: { INBOUND_PORTS: '8080,9000' } },
  },
  {
    name: 'a classic sidecar, awaited',
    ...onPod('proxy-enable-native-sidecar', 'false'),
    spec: { initContainers: [{ name: 'migrate' }] },
    expect: {
      order: ['linkerd-init migrate', 'linkerd-proxy web'],
      proxy: {
        restartPolicy: undefined,
        startupProbe: undefined,
        lifecycle: { postStart: { exec: { command: ['weft', 'await', '--timeout=2m', '--port=4191'] } } },
      },
    },
  },
  {
    name: 'a classic sidecar, not awaited, that waits before it ends',
    ns: {
      ...ENABLED,
      'config.alpha.linkerd.io/proxy-enable-native-sidecar': 'false',
      'config.alpha.linkerd.io/proxy-wait-before-exit-seconds': '20',
      ...config('proxy-await', 'disabled'),
    },
    expect: {
      order: ['linkerd-init', 'web linkerd-proxy'],
      proxy: { lifecycle: { preStop: { sleep: { seconds: 20 } }, postStart: undefined } },
    },
  },
  {
    name: 'the stable native-sidecar key beats beta and alpha',
    pod: {
      ...config('proxy-enable-native-sidecar', 'true'),
      'config.beta.linkerd.io/proxy-enable-native-sidecar': 'false',
      'config.alpha.linkerd.io/proxy-enable-native-sidecar': 'false',
    },
    expect: { order: NATIVE },
  },
  {
    name: 'a native sidecar that is not awaited has no startup probe',
    ...onNs('proxy-await', 'disabled'),
    expect: { order: NATIVE, proxy: { startupProbe: undefined, lifecycle: undefined } },
  },
  {
    name: 'the debug sidecar, with its own image',
    pod: {
      ...config('enable-debug-sidecar', 'true'),
      ...config('debug-image', 'tools'),
      ...config('debug-image-version', '7'),
    },
    expect: { order: ['linkerd-init linkerd-proxy', 'web linkerd-debug'] },
  },
  {
    name: 'image, version and pull policy',
    pod: {
      ...config('proxy-image', 'registry:5000/weft'),
      ...config('proxy-version', 'v2'),
      ...config('image-pull-policy', 'Always'),
    },
    expect: {
      proxy: { image: 'registry:5000/weft:v2', imagePullPolicy: 'Always' },
      init: { image: 'registry:5000/weft:v2', imagePullPolicy: 'Always' },
      annotations: { 'linkerd.io/proxy-version': 'v2' },
    },
  },
  {
    name: 'other proxy ports reach listeners, probes and rules',
    ns: {
      ...ENABLED,
      ...config('control-port', '5190'),
      ...config('admin-port', '5191'),
      ...config('inbound-port', '5143'),
      ...config('outbound-port', '5140'),
    },
    expect: {
      env: {
        CONTROL_LISTEN_ADDR: '0.0.0.0:5190',
        ADMIN_LISTEN_ADDR: '0.0.0.0:5191',
        INBOUND_LISTEN_ADDR: '0.0.0.0:5143',
        OUTBOUND_LISTEN_ADDR: '127.0.0.1:5140',
      },
      proxy: {
        ports: [
          { name: 'linkerd-proxy', containerPort: 5143 },
          { name: 'linkerd-admin', containerPort: 5191 },
        ],
        livenessProbe: { httpGet: { port: 5191 } },
      },
      args: {
        '--incoming-proxy-port': '5143',
        '--outgoing-proxy-port': '5140',
        '--inbound-ports-to-ignore': '5190,5191,4567,4568',
      },
    },
  },
  {
    name: 'skipped ports and subnets replace the defaults',
    pod: {
      ...config('skip-inbound-ports', '9000-9010'),
      ...config('skip-outbound-ports', ''),
      ...config('skip-subnets', '10.0.0.0/8, 192.168.0.0/16'),
    },
    expect: {
      args: {
        '--inbound-ports-to-ignore': '4190,4191,9000-9010',
        '--outbound-ports-to-ignore': undefined,
        '--subnets-to-ignore': '10.0.0.0/8,192.168.0.0/16',
      },
    },
  },
  {
    name: 'opaque ports by number, range and container-port name',
    pod: config('opaque-ports', '3306,db,7000-7010,nobody'),
    app: {
      ports: [
        { containerPort: 8080, name: 'http' },
        { containerPort: 9999, name: 'db' },
      ],
    },
    expect: {
      env: { INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION: '3306,9999,7000-7010' },
      annotations: { 'config.linkerd.io/opaque-ports': '3306,db,7000-7010,nobody' },
      warnings: [
        'config.linkerd.io/opaque-ports: "nobody" is no port, no range and no name of a container port; it is left out',
      ],
    },
  },
  {
    name: "opaque ports of the namespace are copied, without them the pod's own of the default ones",
    ...onNs('opaque-ports', '7000'),
    app: { ports: [{ containerPort: 3306 }] },
    expect: {
      env: { INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION: '7000' },
      annotations: { 'config.linkerd.io/opaque-ports': '7000' },
    },
  },
  {
    name: 'default opaque ports that the pod exposes',
    app: { ports: [{ containerPort: 6379 }, { containerPort: 8080 }, { containerPort: 3306 }] },
    expect: {
      env: { INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION: '25,587,3306,4444,5432,6379,9300,11211' },
      annotations: { 'config.linkerd.io/opaque-ports': '6379,3306' },
    },
  },
  {
    name: 'no opaque ports at all',
    pod: config('opaque-ports', ''),
    expect: { env: { INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION: undefined } },
  },
  {
    name: 'resources, and cores rounded up',
    pod: {
      ...config('proxy-cpu-request', '1100m'),
      ...config('proxy-cpu-limit', '2.5'),
      ...config('proxy-cpu-ratio-limit', '0.5'),
      ...config('proxy-memory-request', '20Mi'),
      ...config('proxy-memory-limit', '250Mi'),
      ...config('proxy-ephemeral-storage-limit', '1G'),
    },
    expect: {
      proxy: {
        resources: {
          requests: { cpu: '1100m', memory: '20Mi' },
          limits: { cpu: '2.5', memory: '250Mi', 'ephemeral-storage': '1G' },
        },
      },
      init: { resources: { requests: { cpu: '1100m' } } },
      env: { CORES: '2', CORES_MIN: '2', CORES_MAX: '3', CORES_MAX_RATIO: '0.5' },
    },
  },
  {
    name: 'user and group',
    pod: { ...config('proxy-uid', '3000'), ...config('proxy-gid', '3001') },
    expect: {
      proxy: { securityContext: { runAsUser: 3000, runAsGroup: 3001 } },
      args: { '--proxy-uid': '3000', '--proxy-gid': '3001' },
    },
  },
  {
    name: "the app's capabilities and token mount",
    app: {
      securityContext: { capabilities: { add: ['SYS_TIME'], drop: ['ALL', 'NET_RAW'] } },
      volumeMounts: [
        { name: 'kube-api-access', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount', readOnly: true },
      ],
    },
    expect: {
      proxy: {
        securityContext: { capabilities: { add: ['SYS_TIME'], drop: ['ALL', 'NET_RAW'] } },
        volumeMounts: [
          { name: 'linkerd-identity-end-entity', mountPath: '/var/run/linkerd/identity/end-entity' },
          { name: 'linkerd-identity-token', mountPath: '/var/run/secrets/tokens' },
          { name: 'kube-api-access', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount', readOnly: true },
        ],
      },
      init: { securityContext: { capabilities: { add: ['NET_ADMIN', 'NET_RAW', 'SYS_TIME'], drop: ['ALL'] } } },
    },
  },
  {
    name: 'logging',
    pod: {
      ...config('proxy-log-level', 'debug'),
      ...config('proxy-log-format', 'json'),
      ...config('proxy-log-http-headers', 'insecure'),
      ...config('access-log', 'Apache'),
    },
    expect: { env: { LOG: 'debug', LOG_FORMAT: 'json', ACCESS_LOG: 'apache' } },
  },
  {
    name: 'shutdown',
    pod: { ...config('shutdown-grace-period', '1m30s'), ...config('proxy-admin-shutdown', 'enabled') },
    expect: { env: { SHUTDOWN_GRACE_PERIOD: '90000ms', SHUTDOWN_ENDPOINT_ENABLED: 'true' } },
  },
  {
    name: 'timeouts and discovery caches',
    pod: {
      ...config('proxy-inbound-connect-timeout', '0.25s'),
      ...config('proxy-outbound-connect-timeout', '2s'),
      ...config('proxy-inbound-discovery-cache-unused-timeout', '2m'),
      ...config('proxy-outbound-discovery-cache-unused-timeout', '7500ms'),
      ...config('proxy-disable-inbound-protocol-detect-timeout', 'true'),
    },
    expect: {
      env: {
        INBOUND_CONNECT_TIMEOUT: '250ms',
        OUTBOUND_CONNECT_TIMEOUT: '2000ms',
        INBOUND_DISCOVERY_IDLE_TIMEOUT: '120s',
        OUTBOUND_DISCOVERY_IDLE_TIMEOUT: '7s',
        INBOUND_DETECT_TIMEOUT: '365d',
        OUTBOUND_DETECT_TIMEOUT: undefined,
      },
    },
  },
  {
    name: 'policy',
    pod: {
      ...config('default-inbound-policy', 'cluster-authenticated'),
      ...config('proxy-require-identity-inbound-ports', '80'),
    },
    expect: { env: { INBOUND_DEFAULT_POLICY: 'cluster-authenticated', INBOUND_PORTS_REQUIRE_IDENTITY: '80' } },
  },
  {
    name: 'a gateway with external profiles and hostname labels',
    pod: {
      ...config('enable-gateway', 'true'),
      ...config('enable-external-profiles', 't'),
      ...config('proxy-metrics-hostname-labels', '1'),
    },
    expect: {
      env: {
        INBOUND_GATEWAY_SUFFIXES: 'svc.cluster.local.',
        DESTINATION_PROFILE_SUFFIXES: '.',
        OUTBOUND_METRICS_HOSTNAME_LABELS: 'true',
      },
    },
  },
  {
    name: 'keys that only pods may carry do not inherit',
    ns: {
      ...ENABLED,
      ...config('enable-gateway', 'true'),
      ...config('proxy-cpu-ratio-limit', '0.5'),
      'other.io/key': 'x',
    },
    expect: {
      env: { INBOUND_GATEWAY_SUFFIXES: undefined, CORES_MAX_RATIO: undefined },
      annotations: { 'config.linkerd.io/enable-gateway': undefined, 'other.io/key': undefined },
    },
  },
  {
    name: 'the pod beats the namespace',
    ns: { ...ENABLED, ...config('proxy-log-level', 'info') },
    pod: config('proxy-log-level', 'trace'),
    expect: {
      env: { LOG: 'trace,[{headers}]=off,[{request}]=off' },
      annotations: { 'config.linkerd.io/proxy-log-level': 'trace' },
    },
  },
  {
    name: 'additional environment merges by name: installed, namespace, pod',
    config: {
      proxy: {
        additionalEnv: [
          { name: 'A', value: 'installed' },
          { name: 'B', value: 'installed' },
        ],
      },
    },
    ns: { ...ENABLED, ...config('proxy-additional-env', '[{"name":"B","value":"ns"},{"name":"C","value":"ns"}]') },
    pod: config('proxy-additional-env', '[{"name":"C","value":"pod"}]'),
    expect: {
      lastEnv: [
        { name: 'A', value: 'installed' },
        { name: 'B', value: 'ns' },
        { name: 'C', value: 'pod' },
      ],
    },
  },
  {
    name: 'IPv6',
    config: { disableIPv6: false },
    expect: {
      env: {
        INBOUND_LISTEN_ADDR: '[::]:4143',
        OUTBOUND_LISTEN_ADDR: '127.0.0.1:4140',
        OUTBOUND_LISTEN_ADDRS: '127.0.0.1:4140,[::1]:4140',
      },
      args: { '--ipv6=false': undefined },
    },
  },
  {
    name: 'another control-plane namespace, cluster domain and trust domain',
    config: { controlPlaneNamespace: 'mesh', clusterDomain: 'k8s.local', trustDomain: 'corp.example' },
    expect: {
      labels: { 'linkerd.io/control-plane-ns': 'mesh' },
      env: {
        POLICY_SVC_ADDR: 'linkerd-policy.mesh.svc.k8s.local.:8090',
        DESTINATION_PROFILE_SUFFIXES: 'svc.k8s.local.',
        IDENTITY_LOCAL_NAME: '$(_pod_sa).$(_pod_ns).serviceaccount.identity.mesh.corp.example',
      },
    },
  },
  {
    name: "the destination controller's own pod",
    labels: { 'linkerd.io/control-plane-component': 'destination' },
    expect: {
      env: {
        DESTINATION_SVC_ADDR: 'localhost.:8086',
        POLICY_SVC_ADDR: 'localhost.:8090',
        IDENTITY_SVC_ADDR: 'linkerd-identity-headless.linkerd.svc.cluster.local.:8080',
      },
      args: { '--outbound-ports-to-ignore': '443,6443,4567,4568' },
    },
  },
  {
    name: 'a CNI plugin: the rules are checked instead of set',
    config: { cniEnabled: true },
    expect: {
      order: ['linkerd-network-validator linkerd-proxy', 'web'],
      volumes: 'linkerd-identity-end-entity linkerd-identity-token',
    },
  },
  {
    name: 'iptables-legacy, as root, with a close-wait timeout',
    config: { proxyInit: { iptablesMode: 'legacy', runAsRoot: true, logLevel: 'debug' } },
    pod: config('close-wait-timeout', '1m'),
    expect: {
      args: { '--firewall-bin-path': 'iptables-legacy', '--timeout-close-wait-secs': '60', '--log-level': 'debug' },
      init: { securityContext: { privileged: true, runAsUser: 0, runAsGroup: 0, runAsNonRoot: false } },
    },
  },
  {
    name: 'tracing',
    config: {
      tracing: { collectorAddress: 'otel.obs:4317', collectorName: 'otel.identity', serviceName: 'linkerd-proxy' },
    },
    labels: { 'app.kubernetes.io/name': 'web' },
    pod: { 'resource.opentelemetry.io/team': 'shop' },
    expect: {
      volumes: 'linkerd-proxy-init-xtables-lock linkerd-identity-end-entity linkerd-identity-token linkerd-podinfo',
      env: {
        TRACE_COLLECTOR_SVC_ADDR: 'otel.obs:4317',
        TRACE_EXTRA_ATTRIBUTES:
          'k8s.pod.ip=$(_pod_ip)\nk8s.pod.uid=$(_pod_uid)\nk8s.container.name=$(_pod_containerName)\nservice.name=web\nteam=shop\n',
      },
    },
  },
  {
    name: 'without token projection the ordinary token serves',
    config: { tokenProjection: false },
    app: { volumeMounts: [{ name: 'kube-api-access', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }] },
    expect: {
      volumes: 'linkerd-proxy-init-xtables-lock linkerd-identity-end-entity',
      env: { IDENTITY_TOKEN_FILE: '/var/run/secrets/kubernetes.io/serviceaccount/token' },
    },
  },
  {
    name: 'volumes left by an earlier injection are used again',
    spec: { volumes: [{ name: 'data' }, { name: 'linkerd-identity-token' }] },
    expect: { volumes: 'data linkerd-identity-token linkerd-proxy-init-xtables-lock linkerd-identity-end-entity' },
  },
  {
    name: 'malformed values: a warning each, and the installed value',
    config: { proxy: { logLevel: 'info' } },
    pod: {
      ...config('proxy-cpu-request', '100x'),
      ...config('inbound-port', '70000'),
      ...config('proxy-uid', '0'),
      ...config('skip-inbound-ports', '80,http'),
      ...config('default-inbound-policy', 'allow'),
      ...config('proxy-outbound-connect-timeout', '5 seconds'),
      ...config('proxy-await', 'true'),
      ...config('proxy-additional-env', '{"name":"A"}'),
      ...config('access-log', 'common'),
    },
    expect: {
      env: { INBOUND_LISTEN_ADDR: '0.0.0.0:4143', INBOUND_DEFAULT_POLICY: 'all-unauthenticated', CORES: '1' },
      args: { '--proxy-uid': '2102', '--inbound-ports-to-ignore': '4190,4191,4567,4568' },
      warnings: [
        'config.linkerd.io/inbound-port: "70000" is not a port from 1 to 65535; 4143 is used instead',
        'config.linkerd.io/skip-inbound-ports: "80,http" is not a list of ports and ranges such as 25,4567-4568; 4567,4568 is used instead',
        'config.linkerd.io/proxy-cpu-request: "100x" is not a quantity such as 100m, 2 or 250Mi; none is used instead',
        'config.linkerd.io/proxy-uid: "0" is not a user id above 0; 2102 is used instead',
        'config.linkerd.io/access-log: "common" is not one of apache, json; none is used instead',
        'config.linkerd.io/default-inbound-policy: "allow" is not one of deny, all-authenticated, all-unauthenticated, cluster-authenticated, cluster-unauthenticated, audit; all-unauthenticated is used instead',
        'config.linkerd.io/proxy-outbound-connect-timeout: "5 seconds" is not a duration such as 500ms, 10s or 1m30s; 1000ms is used instead',
        'config.linkerd.io/proxy-await: "true" is not "enabled" or "disabled"; enabled is used instead',
        'config.linkerd.io/proxy-additional-env: "{"name":"A"}" of the pod is not a JSON list such as [{"name":"A","value":"b"}]; it is left out',
      ],
    },
  },
]

test('injectPod', async (t) => {
  for (const { name, expect, ...shape } of CASES) {
    await t.test(name, async (t) => {
      const result = injectShape(shape)
      if (result.kind !== 'injected') return t.fail(`${result.kind}: ${result.reasons.join(',')}`)
      const { pod, warnings } = result
      const proxy = containerNamed(pod, 'linkerd-proxy')!
      const init = containerNamed(pod, 'linkerd-init')
      for (const [variable, value] of Object.entries(expect.env ?? {})) {
        t.equal(proxy.env?.find((each) => each.name === `LINKERD2_PROXY_${variable}`)?.value, value, variable)
      }
      for (const [argument, value] of Object.entries(expect.args ?? {})) {
        const at = init!.args!.indexOf(argument)
        t.equal(at < 0 ? undefined : init!.args![at + 1], value, argument)
      }
      if (expect.lastEnv !== undefined) t.same(proxy.env?.slice(-expect.lastEnv.length), expect.lastEnv)
      if (expect.proxy !== undefined) t.match(proxy, expect.proxy)
      if (expect.init !== undefined) t.match(init, expect.init)
      if (expect.order !== undefined) {
        t.same([names(pod.spec?.initContainers), names(pod.spec?.containers)], expect.order, 'order of containers')
      }
      if (expect.labels !== undefined) t.match(pod.metadata?.labels, expect.labels)
      if (expect.annotations !== undefined) t.match(pod.metadata?.annotations, expect.annotations)
      if (expect.volumes !== undefined) t.equal(names(pod.spec?.volumes), expect.volumes, 'volumes')
      if (expect.warnings !== undefined) t.same(warnings, expect.warnings, 'warnings')
    })
  }
})

test('the order of the environment is the order in which Kubernetes expands it', async (t) => {
  const result = injectShape({ config: { disableIPv6: false } })
  const env = result.kind === 'injected' ? containerNamed(result.pod, 'linkerd-proxy')!.env! : []
  const seen = new Set<string>()
  for (const { name, value } of env) {
    for (const [, used] of (value ?? '').matchAll(/\$\((\w+)\)/g)) t.ok(seen.has(used!), `${name} uses ${used}`)
    t.notOk(seen.has(name), `${name} is set once`)
    seen.add(name)
  }
})

test('annotations that refuse the pod', async (t) => {
  const cases = [
    {
      name: 'headers in logs, misspelt',
      shape: onPod('proxy-log-http-headers', 'secure'),
      reasons: ['config.linkerd.io/proxy-log-http-headers: "secure" is not one of off, insecure; the pod is refused'],
    },
    {
      name: 'a close-wait timeout where the init container is not root',
      shape: onPod('close-wait-timeout', '60s'),
      reasons: [
        'config.linkerd.io/close-wait-timeout: "60s" needs an init container that runs as root; install with proxyInit.runAsRoot=true or remove the annotation; the pod is refused',
      ],
    },
  ]
  for (const { name, shape, reasons } of cases)
    t.same(injectShape(shape), { kind: 'refused', reasons, patch: [] }, name)
})

test('injectService', async (t) => {
  const cases = [
    { name: 'a default opaque port', ports: [{ port: 6379 }, { port: 80 }], writes: '6379' },
    { name: 'a numeric target port counts', ports: [{ port: 80, targetPort: 5432 }], writes: '5432' },
    { name: 'a named target port does not', ports: [{ port: 5432, targetPort: 'db' }], writes: undefined },
    { name: 'nothing opaque, no patch', ports: [{ port: 80, targetPort: 8080 }], writes: undefined },
    {
      name: "the namespace's ports",
      ns: config('opaque-ports', '7000-7001'),
      ports: [{ port: 80 }],
      writes: '7000-7001',
    },
    {
      name: 'its own annotation stays',
      own: config('opaque-ports', '1'),
      ns: config('opaque-ports', '2'),
      ports: [{ port: 6379 }],
      writes: undefined,
    },
    { name: 'no ports', ports: undefined, writes: undefined },
  ]
  for (const { name, own, ns = {}, ports, writes } of cases) {
    const service: Service = {
      metadata: { name: 'db', ...(own === undefined ? {} : { annotations: own }) },
      spec: { ports },
    }
    const { patch, service: patched } = injectService({
      service,
      namespace: namespaceOf({ ns }),
      config: injectorConfig({ trustAnchorsPem: ANCHORS }),
    })
    t.equal(patch.length > 0, writes !== undefined, name)
    if (writes !== undefined) t.equal(patched.metadata?.annotations?.['config.linkerd.io/opaque-ports'], writes, name)
  }
})

function names(list: readonly { readonly name: string }[] | undefined): string {
  return (list ?? []).map(({ name }) => name).join(' ')
}
