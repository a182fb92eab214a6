/**
 * The control plane of the benchmark as a process: the stub of fixed answers, so that only the proxies are measured.
 * It prints one line, where it listens and its trust anchors, and runs until it is killed.
 */
import { parseArgs } from 'node:util'
import { startControlStub } from '../test/support/control-stub.ts'
import { CASES, OriginPort } from './cases.ts'

const { values } = parseArgs({
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    vip: { type: 'string', default: '' },
    endpoint: { type: 'string', default: '' },
    identity: { type: 'string', default: '' },
  },
})

const stub = await startControlStub({
  tlsHost: values.host,
  opaquePorts: [OriginPort.tcp],
  services: [...new Set(CASES.map(({ port }) => port))].map((port) => ({
    name: `bench-${port}.bench.svc.cluster.local:${port}`,
    address: `${values.vip}:${port}`,
    isOpaque: port === OriginPort.tcp,
    endpoints: [
      {
        address: `${values.endpoint}:${port}`,
        identity: values.identity,
        labels: { pod: 'pod-b', deployment: 'bench', serviceaccount: 'default', zone_locality: 'unknown' },
      },
    ],
  })),
})

process.stdout.write(`${JSON.stringify({ address: stub.tlsAddress, anchorsPem: stub.authority.anchorsPem })}\n`)
