/** `weft-control kubernetes` as a process, fed by a real API server with no more rights than it needs. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'tap'
import { Destination } from '../../api/gen/destination_pb.js'
import { createClient } from '../../api/grpc.ts'
import { main } from '../../control/main.ts'
import { missingApiServer, startApiServer } from './api-server.ts'

const MAIN = join(import.meta.dirname, '../../control/main.ts')
const RBAC = '/apis/rbac.authorization.k8s.io/v1'
const ROLE = {
  metadata: { name: 'weft' },
  rules: [
    {
      apiGroups: [''],
      resources: ['namespaces', 'serviceaccounts', 'configmaps', 'services', 'pods'],
      verbs: ['list', 'watch'],
    },
    { apiGroups: ['apps'], resources: ['deployments'], verbs: ['list', 'watch'] },
    { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
    { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
  ],
}
const BINDING = {
  metadata: { name: 'weft' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'weft' },
  subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'weft' }],
}
const SERVICE = { metadata: { name: 'web' }, spec: { clusterIP: '10.0.7.7', ports: [{ name: 'http', port: 80 }] } }
const slice = (...addresses: readonly string[]) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 8080 }],
  endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
})

test('a control plane serves what a cluster says', { skip: missingApiServer(), timeout: 180_000 }, async (t) => {
  const real = await startApiServer()
  t.teardown(() => real.close())
  const keys = mkdtempSync(join(tmpdir(), 'weft-control-'))
  t.teardown(() => rmSync(keys, { recursive: true }))
  t.equal(await main(['generate-issuer', `--out=${keys}`]), 0)
  writeFileSync(join(keys, 'token'), real.token, { mode: 0o600 })
  writeFileSync(join(keys, 'api.crt'), real.ca)
  const file = (option: string, name: string) => `--${option}=${join(keys, name)}`
  const args = [
    ...['kubernetes', `--api-server=${real.server}`, file('api-token', 'token'), file('api-ca', 'api.crt')],
    ...[file('issuer-cert', 'crt.pem'), file('issuer-key', 'key.pem'), file('trust-anchors', 'ca.crt')],
    ...['destination', 'policy', 'identity'].map((role) => `--${role}-addr=127.0.0.1:0`),
  ]
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = new Promise((resolve) => child.on('close', resolve))
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const log: string[] = []
  const lines = createInterface({ input: child.stderr })
  lines.on('line', (line) => log.push(line))
  const told = async (pattern: RegExp): Promise<string> => {
    for (;;) {
      const line = log.find((each) => pattern.test(each))
      if (line !== undefined) return line
      await new Promise((resolve) => lines.once('line', resolve))
    }
  }
  await told(/User .*weft.* cannot list resource .*pods.*grant this verb/)
  t.notMatch(log.join('\n'), '"listening"', 'nothing is served before the lists are in')
  await real.send('POST', `${RBAC}/clusterroles`, ROLE)
  await real.send('POST', `${RBAC}/clusterrolebindings`, BINDING)
  const slices = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'
  await real.send('POST', '/api/v1/namespaces/default/services', SERVICE)
  await real.send('POST', slices, slice('10.1.0.1'))

  const { address } = JSON.parse(await told(/"role":"destination".*listening/)) as { address: string }
  const client = createClient(Destination, address)
  t.teardown(() => client.close())
  const updates = client.get({ path: 'web.default.svc.cluster.local:80' })[Symbol.asyncIterator]()
  const next = async () => (await updates.next()).value!.update
  const first = await next()
  t.match(first, { case: 'add', value: { addrs: [{ addr: { ip: { ip: { value: 0x0a010001 } }, port: 8080 } }] } })
  await real.send('PUT', `${slices}/web-1`, slice('10.1.0.1', '10.1.0.2'))
  t.match(await next(), { case: 'add', value: { addrs: [{ addr: { ip: { ip: { value: 0x0a010002 } } } }] } })

  await real.kill()
  const again = client.get({ path: 'web.default.svc.cluster.local:80' })[Symbol.asyncIterator]()
  t.equal((await again.next()).value!.update.value.addrs.length, 2, 'without the API server the last state is served')
  await real.restart()
  await real.send('PUT', `${slices}/web-1`, slice('10.1.0.2'))
  t.match(await next(), { case: 'remove', value: { addrs: [{ ip: { ip: { value: 0x0a010001 } } }] } })
  child.kill('SIGTERM')
  t.equal(await ended, 0)
})
