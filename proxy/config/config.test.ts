import { test } from 'tap'
import { type Config, describeProblems, readConfig } from './config.ts'

const minimal = {
  LINKERD2_PROXY_DESTINATION_SVC_ADDR: 'linkerd-dst-headless.linkerd.svc.cluster.local.:8086',
  LINKERD2_PROXY_DESTINATION_SVC_NAME: 'linkerd-destination.linkerd.serviceaccount.identity.linkerd.cluster.local',
  LINKERD2_PROXY_POLICY_SVC_ADDR: 'localhost.:8090',
  LINKERD2_PROXY_POLICY_WORKLOAD: '{"ns":"shop", "pod":"web"}\n',
  LINKERD2_PROXY_IDENTITY_SVC_ADDR: '127.0.0.1:8080',
  LINKERD2_PROXY_IDENTITY_LOCAL_NAME: 'web.shop.serviceaccount.identity.linkerd.cluster.local',
  LINKERD2_PROXY_IDENTITY_TOKEN_FILE: '/var/run/secrets/tokens/linkerd-identity-token',
  LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS: '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n',
}

type Vars = { [name: string]: string }

/** Names without the prefix. */
function prefixed(vars: Vars): Vars {
  return Object.fromEntries(Object.entries(vars).map(([name, value]) => [`LINKERD2_PROXY_${name}`, value]))
}

function read(vars: Vars = {}): Config {
  const result = readConfig({ ...minimal, ...prefixed(vars) })
  if ('problems' in result) throw new Error(result.problems.join('\n'))
  return result.config
}

function problems(vars: Vars): readonly string[] {
  const result = readConfig({ ...minimal, ...prefixed(vars) })
  return 'problems' in result ? result.problems : []
}

test('defaults', async (t) => {
  const config = read()
  t.same(config.warnings, [])
  t.same(config.outbound.listen, [{ ip: '127.0.0.1', port: 4140 }])
  t.same(config.inbound.listen, { ip: '0.0.0.0', port: 4143 })
  t.same(config.admin, { listen: { ip: '127.0.0.1', port: 4191 }, isShutdownEnabled: false })
  t.same(config.tap, { listen: { ip: '0.0.0.0', port: 4190 }, serviceName: undefined })
  t.match(config.outbound, {
    connectTimeoutMs: 1_000,
    detectTimeoutMs: 10_000,
    discoveryIdleMs: 5_000,
    maxInFlight: 100_000,
    http1PoolIdleMs: 3_000,
    maxIdlePerEndpoint: 10_000,
    isInformational: true,
    connectBackoff: { minMs: 100, maxMs: 60_000, jitter: 0.1 },
    connect: { keepAliveMs: undefined, userTimeoutMs: undefined },
    tcpQueue: { capacity: 10_000, failFastMs: 3_000 },
    httpQueue: { capacity: 10_000, failFastMs: 3_000 },
    http2Server: { initialStreamWindowBytes: 65_535, initialConnectionWindowBytes: 1_048_576, keepAliveIntervalMs: 0 },
  })
  t.match(config.inbound, {
    connectTimeoutMs: 300,
    detectTimeoutMs: 10_000,
    discoveryIdleMs: 90_000,
    httpQueue: { failFastMs: 1_000 },
    connectBackoff: { minMs: 100, maxMs: 10_000, jitter: 0.1 },
    defaultPolicy: 'all-unauthenticated',
    ports: [],
    opaquePorts: [],
    accessLog: undefined,
    hasAuthorityLabels: false,
  })
  t.match(config.control, {
    destination: { target: { isLoopback: false, port: 8086 }, serverName: /^linkerd-destination/ },
    policy: { target: { isLoopback: true }, serverName: undefined },
    profileSuffixes: ['svc.cluster.local'],
    profileInitialTimeoutMs: 500,
    streamLimits: { initialMs: undefined },
    identity: { minRefreshMs: 10_000, maxRefreshMs: 86_400_000 },
    policyWorkload: minimal.LINKERD2_PROXY_POLICY_WORKLOAD,
    destinationContext: '',
  })
  t.equal(config.log.format, 'plain')
  t.equal(config.metrics.retainIdleMs, 600_000)
  t.equal(config.shutdownGraceMs, 120_000)
  t.equal(config.cores, 1)
})

test('the environment of an injected proxy is read without a warning', async (t) => {
  const config = read({
    CORES: '1',
    CORES_MIN: '1',
    SHUTDOWN_ENDPOINT_ENABLED: 'false',
    LOG: 'warn,linkerd=info,hickory=error,[{headers}]=off,[{request}]=off',
    LOG_FORMAT: 'plain',
    DESTINATION_PROFILE_NETWORKS: '10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16,fd00::/8',
    INBOUND_DEFAULT_POLICY: 'cluster-authenticated',
    POLICY_CLUSTER_NETWORKS: '10.0.0.0/8,fd00::/8',
    CONTROL_STREAM_INITIAL_TIMEOUT: '3s',
    CONTROL_STREAM_IDLE_TIMEOUT: '5m',
    CONTROL_STREAM_LIFETIME: '1h',
    INBOUND_CONNECT_TIMEOUT: '100ms',
    OUTBOUND_CONNECT_TIMEOUT: '1000ms',
    OUTBOUND_DISCOVERY_IDLE_TIMEOUT: '5s',
    INBOUND_DISCOVERY_IDLE_TIMEOUT: '90s',
    OUTBOUND_DETECT_TIMEOUT: '365d',
    CONTROL_LISTEN_ADDR: '[::]:4190',
    ADMIN_LISTEN_ADDR: '[::]:4191',
    OUTBOUND_LISTEN_ADDR: '127.0.0.1:4140',
    OUTBOUND_LISTEN_ADDRS: '127.0.0.1:4140,[::1]:4140',
    INBOUND_LISTEN_ADDR: '[::]:4143',
    INBOUND_IPS: '10.1.2.3,fd00::0003',
    INBOUND_PORTS: '8080,9090,9990-9992',
    DESTINATION_PROFILE_SUFFIXES: 'svc.cluster.local.',
    INBOUND_ACCEPT_KEEPALIVE: '10000ms',
    OUTBOUND_CONNECT_KEEPALIVE: '10000ms',
    INBOUND_ACCEPT_USER_TIMEOUT: '30s',
    OUTBOUND_CONNECT_USER_TIMEOUT: '30s',
    OUTBOUND_METRICS_HOSTNAME_LABELS: 'false',
    INBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL: '10s',
    INBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT: '3s',
    OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL: '10s',
    OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT: '3s',
    INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION: '25,587,3306',
    DESTINATION_CONTEXT: '{"ns":"shop"}\n',
    IDENTITY_DIR: '/var/run/linkerd/identity/end-entity',
    IDENTITY_SVC_NAME: 'linkerd-identity.x',
    POLICY_SVC_NAME: 'linkerd-destination.x',
    ACCESS_LOG: 'json',
    SHUTDOWN_GRACE_PERIOD: '5m',
    INGRESS_MODE: 'false',
    INBOUND_GATEWAY_SUFFIXES: '',
    TAP_SVC_NAME: 'tap.x',
  })
  t.same(config.warnings, [])
  t.same(config.outbound.listen, [
    { ip: '127.0.0.1', port: 4140 },
    { ip: '::1', port: 4140 },
  ])
  t.same([...config.inbound.ips], ['10.1.2.3', 'fd00::3'])
  t.same(config.inbound.ports, [8080, 9090, 9990, 9991, 9992])
  t.same(config.inbound.accept, { keepAliveMs: 10_000, userTimeoutMs: 30_000 })
  t.match(config.inbound.http2Server, { keepAliveIntervalMs: 10_000, keepAliveTimeoutMs: 3_000 })
  t.equal(config.inbound.clusterNetworks.length, 2)
  t.equal(config.control.profileNetworks.length, 5)
  t.equal(config.inbound.accessLog, 'json')
  t.equal(config.outbound.detectTimeoutMs, 2 ** 31 - 1, 'longer than a timer can wait: as long as it can')
  t.same(config.control.streamLimits, { initialMs: 3_000, idleMs: 300_000, lifetimeMs: 3_600_000 })
  t.equal(config.control.identity.serverName, undefined, 'loopback is plain text, whatever the name')
})

test('when servers are dialled early', async (t) => {
  const early = (vars: Vars) => {
    const result = readConfig({ ...minimal, ...vars })
    if ('problems' in result) throw new Error(result.problems.join('\n'))
    return [result.config.inbound.earlyDials, result.config.outbound.earlyDials]
  }
  t.same(early({}), [
    { silenceMs: 250, maxAtOnce: 100 },
    { silenceMs: 100, maxAtOnce: 100 },
  ])
  t.same(early({ WEFT_PROXY_INBOUND_DETECT_SILENCE: '1s', WEFT_PROXY_OUTBOUND_MAX_EARLY_DIALS: '7' }), [
    { silenceMs: 1_000, maxAtOnce: 100 },
    { silenceMs: 100, maxAtOnce: 7 },
  ])
})

test('every problem is named, with what to do', async (t) => {
  const cases: { vars: Vars; problem: RegExp }[] = [
    {
      vars: { OUTBOUND_CONNECT_TIMEOUT: '1.5s' },
      problem: /^LINKERD2_PROXY_OUTBOUND_CONNECT_TIMEOUT: "1\.5s" is not a duration such as 300ms/,
    },
    { vars: { OUTBOUND_CONNECT_TIMEOUT: '5' }, problem: /not a duration/ },
    { vars: { INBOUND_LISTEN_ADDR: '4143' }, problem: /"4143" is not an address/ },
    { vars: { OUTBOUND_LISTEN_ADDRS: '1.1.1.1:1,1.1.1.2:1,1.1.1.3:1' }, problem: /names 3 addresses/ },
    { vars: { INBOUND_IPS: 'web' }, problem: /"web" is not an IP address/ },
    { vars: { INBOUND_PORTS: '80,http' }, problem: /"http" is not a port/ },
    { vars: { INBOUND_PORTS: '1-65535' }, problem: /more than 1000 ports/ },
    { vars: { DESTINATION_PROFILE_NETWORKS: '10.0.0.0/33' }, problem: /"10\.0\.0\.0\/33" is not a network/ },
    { vars: { DESTINATION_PROFILE_SUFFIXES: 'a b' }, problem: /"a b" is not a DNS name/ },
    { vars: { INBOUND_DEFAULT_POLICY: 'allow' }, problem: /"allow" is not one of deny, / },
    {
      vars: { INBOUND_DEFAULT_POLICY: 'cluster-authenticated' },
      problem: /POLICY_CLUSTER_NETWORKS: is not set, but the default policy cluster-authenticated/,
    },
    { vars: { INBOUND_DEFAULT_POLICY: 'audit' }, problem: /POLICY_CLUSTER_NETWORKS/ },
    { vars: { OUTBOUND_MAX_IN_FLIGHT: '-1' }, problem: /"-1" is not a whole number/ },
    { vars: { OUTBOUND_CONNECT_EXP_BACKOFF_MIN: '1s' }, problem: /BACKOFF_MAX: MIN and MAX/ },
    {
      vars: { OUTBOUND_CONNECT_EXP_BACKOFF_MIN: '2s', OUTBOUND_CONNECT_EXP_BACKOFF_MAX: '1s' },
      problem: /2000 ms to 1000 ms/,
    },
    { vars: { OUTBOUND_CONNECT_EXP_BACKOFF_JITTER: 'x' }, problem: /"x" is not a number/ },
    { vars: { SHUTDOWN_ENDPOINT_ENABLED: 'maybe' }, problem: /neither true nor false/ },
    { vars: { LOG: 'linkerd=loud' }, problem: /LINKERD2_PROXY_LOG: "loud"/ },
    { vars: { LOG_FORMAT: 'xml' }, problem: /"xml" is not one of plain, json/ },
    { vars: { ACCESS_LOG: 'w3c' }, problem: /"w3c" is not one of apache, json/ },
    { vars: { POLICY_WORKLOAD: '' }, problem: /POLICY_WORKLOAD: is not set; the injector sets it/ },
    { vars: { DESTINATION_SVC_ADDR: 'linkerd-dst' }, problem: /"linkerd-dst" is not host:port/ },
    {
      vars: { DESTINATION_SVC_NAME: '' },
      problem: /DESTINATION_SVC_NAME: is not set, but linkerd-dst-headless\.\S+:8086 is reached over mTLS/,
    },
    { vars: { IDENTITY_LOCAL_NAME: 'a b' }, problem: /"a b" is not a DNS name/ },
    { vars: { IDENTITY_TRUST_ANCHORS: 'x' }, problem: /no PEM certificate/ },
    { vars: { IDENTITY_MIN_REFRESH: '2d' }, problem: /longer than/ },
    { vars: { CONTROL_STREAM_INITIAL_TIMEOUT: '5s', CONTROL_STREAM_IDLE_TIMEOUT: '3s' }, problem: /ascending order/ },
    { vars: { CONTROL_STREAM_IDLE_TIMEOUT: '2h', CONTROL_STREAM_LIFETIME: '1h' }, problem: /ascending order/ },
    { vars: { INGRESS_MODE: 'true' }, problem: /ingress mode is not supported/ },
    { vars: { INBOUND_GATEWAY_SUFFIXES: 'svc.cluster.local.' }, problem: /gateway role is not supported/ },
    { vars: { IDENTITY_DISABLED: '1' }, problem: /without identity/ },
    { vars: { IDENTITY_SPIRE_WORKLOAD_API_ADDRESS: 'unix:/x' }, problem: /SPIRE/ },
    { vars: { CORES_MAX_RATIO: '2' }, problem: /"2" is not a number from 0 to 1/ },
  ]
  for (const { vars, problem } of cases) t.match(problems(vars), [problem], JSON.stringify(vars))
})

test('all problems come at once, as one message', async (t) => {
  const result = readConfig({})
  const found = 'problems' in result ? result.problems : []
  t.equal(found.length, 7, found.join('\n'))
  t.match(describeProblems(found), /^The proxy cannot start: its environment has 7 problems\.\n {2}LINKERD2_PROXY_/)
  t.match(describeProblems(['a']), /has a problem\.\n {2}a\n$/)
})

test('warnings do not keep the proxy from starting', async (t) => {
  const { warnings } = read({
    OUTBUOND_CONNECT_TIMEOUT: '1s',
    TRACE_COLLECTOR_SVC_ADDR: 'collector:4317',
    OUTBOUND_METRICS_HOSTNAME_LABELS: 'true',
    INBOUND_SERVER_HTTP2_MAX_FRAME_SIZE: '32768',
  })
  t.match(warnings.join('\n'), /OUTBUOND_CONNECT_TIMEOUT: this version does not know it/)
  t.match(warnings.join('\n'), /traces are not exported/)
  t.match(warnings.join('\n'), /hostname/)
  t.match(warnings.join('\n'), /INBOUND_SERVER_HTTP2_MAX_FRAME_SIZE: has no effect/)
  t.equal(warnings.length, 4)
})

test('overrides', async (t) => {
  const config = read({
    OUTBOUND_CONNECT_EXP_BACKOFF_MIN: '1s',
    OUTBOUND_CONNECT_EXP_BACKOFF_MAX: '2s',
    OUTBOUND_CONNECT_EXP_BACKOFF_JITTER: '.5',
    HTTP2_INITIAL_STREAM_WINDOW_SIZE: '100000',
    INBOUND_SERVER_HTTP2_MAX_CONCURRENT_STREAMS: '7',
    OUTBOUND_DISABLE_INFORMATIONAL_HEADERS: 'true',
    INBOUND_METRICS_AUTHORITY_LABELS: 'unsafe',
    DESTINATION_PROFILE_SUFFIXES: '.',
    CORES_MAX: '65535',
  })
  t.same(config.outbound.connectBackoff, { minMs: 1_000, maxMs: 2_000, jitter: 0.5 })
  t.equal(config.outbound.http2Client.initialStreamWindowBytes, 100_000)
  t.equal(config.inbound.http2Server.maxConcurrentStreams, 7)
  t.equal(config.outbound.isInformational, false)
  t.equal(config.inbound.hasAuthorityLabels, true)
  t.same(config.control.profileSuffixes, [''])
  t.ok(config.cores >= 1)
})

test('the largest head', async (t) => {
  const sizes = (vars: Vars) => {
    const { inbound, outbound } = read(vars)
    return [inbound.http2Server, inbound.http2Client, outbound.http2Server, outbound.http2Client].map(
      ({ maxHeaderListBytes }) => maxHeaderListBytes,
    )
  }
  t.same(sizes({}), [65_536, 65_536, 65_536, 65_536])
  t.same(sizes({ MAX_HEADER_BYTES: '16384' }), [16_384, 16_384, 16_384, 16_384])
  t.same(sizes({ MAX_HEADER_BYTES: '16384', INBOUND_SERVER_HTTP2_MAX_HEADER_LIST_SIZE: '32768' })[0], 32_768)
  t.match(problems({ MAX_HEADER_BYTES: '1k' }), [/MAX_HEADER_BYTES: "1k" is not a whole number from 1024 to 16777216/])
  t.equal(problems({ MAX_HEADER_BYTES: '1k' }).length, 1, 'told once, however often it is read')
})
