/**
 * The control plane of the benchmark as a process: the stub of fixed answers, so that only the proxies are measured.
 * It prints one line, where it listens, its trust anchors and a certificate with key for everybody who is not a
 * sidecar, and runs until it is killed.
 */
import { parseArgs } from 'node:util'
import type { StubEndpoint, StubService } from '../test/support/control-messages.ts'
import { startControlStub } from '../test/support/control-stub.ts'
import { ALL_ORIGINS, isRaw, ORIGINS, type Origin } from './origin-ports.ts'
import { DIRECT_OFFSET, VIP } from './pods.ts'
import { BACKENDS, policiesOf } from './policies.ts'

const { values } = parseArgs({
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    endpoint: { type: 'string', default: '' },
    'tls-endpoint': { type: 'string', default: '' },
    identity: { type: 'string', default: '' },
  },
})

const labels = { pod: 'pod-b', deployment: 'bench', serviceaccount: 'default', zone_locality: 'unknown' }

function service(kind: string, vip: string, origin: Origin, endpoint: StubEndpoint): StubService {
  return {
    name: `${kind}-${origin.port}.bench.svc.cluster.local:${origin.port}`,
    address: `${vip}:${origin.port}`,
    isOpaque: isRaw(origin),
    endpoints: [{ ...endpoint, labels }],
  }
}

const { identity, endpoint } = values
const stub = await startControlStub({
  tlsHost: values.host,
  policies: policiesOf({ endpointIp: endpoint, identity }),
  opaquePorts: ALL_ORIGINS.filter(isRaw).map(({ port }) => port),
  services: [
    ...ALL_ORIGINS.map((origin) =>
      service('pair', VIP.weft, origin, { address: `${endpoint}:${origin.port}`, identity }),
    ),
    ...ALL_ORIGINS.map((origin) =>
      service('hop', VIP.weftHop, origin, { address: `${endpoint}:${origin.port + DIRECT_OFFSET}` }),
    ),
    ...[ORIGINS.h2Policies, ORIGINS.h1Policies, ORIGINS.grpcPolicies].flatMap(({ port }) =>
      BACKENDS.map(({ name, address }) => ({
        name: `${name}.bench.svc.cluster.local:${port}`,
        address: `${address}:${port}`,
        endpoints: [{ address: `${endpoint}:${port}`, identity, labels }],
      })),
    ),
    service('tls', VIP.weftTls, ORIGINS.echo, {
      address: `${values['tls-endpoint']}:${ORIGINS.echo.port}`,
      identity,
    }),
  ],
})

const leaf = await stub.authority.issue(identity)
const line = {
  address: stub.tlsAddress,
  anchorsPem: stub.authority.anchorsPem,
  certificateAndKeyPem: leaf.certificatePem + leaf.privateKeyPem,
}
process.stdout.write(`${JSON.stringify(line)}\n`)
