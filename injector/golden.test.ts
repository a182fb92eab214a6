/**
 * Whole pods as they come out, one file each in testdata/. After an intended change `UPDATE_GOLDEN=1` writes them
 * anew; the diff is then what to review.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { test } from 'tap'
import { stringify } from 'yaml'
import { ENABLED, injectShape, type Shape } from './testing.ts'

const config = (settings: Record<string, string>) =>
  Object.fromEntries(Object.entries(settings).map(([name, value]) => [`config.linkerd.io/${name}`, value]))

const GOLDEN: readonly (Shape & { readonly file: string })[] = [
  { file: 'deployment-default', owner: { kind: 'Deployment', name: 'web' } },
  {
    file: 'classic-sidecar-with-debug',
    owner: { kind: 'StatefulSet', name: 'db' },
    pod: config({ 'proxy-enable-native-sidecar': 'false', 'enable-debug-sidecar': 'true', 'opaque-ports': 'db' }),
    spec: { initContainers: [{ name: 'migrate', image: 'shop/migrate:1' }], volumes: [{ name: 'data' }] },
    app: { ports: [{ containerPort: 5432, name: 'db' }], readinessProbe: { httpGet: { path: '/ok', port: 9000 } } },
  },
  {
    file: 'cni-ipv6-tracing',
    config: {
      cniEnabled: true,
      disableIPv6: false,
      tracing: {
        collectorAddress: 'collector.tracing:4317',
        collectorName: 'collector.tracing.serviceaccount.identity.linkerd.cluster.local',
        serviceName: 'linkerd-proxy',
      },
    },
  },
  {
    file: 'namespace-annotations',
    ns: {
      ...ENABLED,
      'linkerd.io/inject': 'ingress',
      ...config({
        'proxy-cpu-request': '100m',
        'proxy-memory-limit': '250Mi',
        'skip-outbound-ports': '4222',
        'proxy-log-level': 'debug',
        'access-log': 'json',
        'default-inbound-policy': 'all-authenticated',
        'shutdown-grace-period': '30s',
        'proxy-additional-env': '[{"name":"EXTRA","value":"1"}]',
      }),
    },
    pod: config({ 'proxy-log-level': 'info', 'proxy-gid': '2102' }),
  },
]

test('golden files', async (t) => {
  for (const { file, ...shape } of GOLDEN) {
    const result = injectShape(shape)
    if (result.kind !== 'injected') {
      t.fail(`${file}: ${result.kind}`)
      continue
    }
    const text = stringify(
      { patch: result.patch.map(({ op, path }) => `${op} ${path}`), pod: result.pod },
      { lineWidth: 0 },
    )
    const path = new URL(`./testdata/${file}.yaml`, import.meta.url)
    if (process.env.UPDATE_GOLDEN === '1') await writeFile(path, text)
    t.equal(text, await readFile(path, 'utf8'), file)
  }
})
