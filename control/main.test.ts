/** `weft-control` as a user starts it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { Destination } from '../api/gen/destination_pb.js'
import { createClient } from '../api/grpc.ts'

const MAIN = join(import.meta.dirname, 'main.ts')
const MANIFEST = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'shop' },
  spec: { clusterIP: '10.96.0.1', ports: [{ port: 80 }] },
})

function directory(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'weft-control-'))
  t.teardown(() => rmSync(path, { recursive: true }))
  return path
}

function run(...args: readonly string[]): { child: ChildProcess; ended: Promise<{ code: number; stderr: string }> } {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  let stderr = ''
  child.stderr.on('data', (text) => {
    stderr += text
  })
  return { child, ended: new Promise((resolve) => child.on('close', (code) => resolve({ code: code ?? -1, stderr }))) }
}

function allArgs(keys: string, manifests: string): readonly string[] {
  const files = {
    'issuer-cert': 'crt.pem',
    'issuer-key': 'key.pem',
    'trust-anchors': 'ca.crt',
    'service-account-key': 'service-account.jwk',
  }
  return [
    'all',
    `--directory=${manifests}`,
    ...Object.entries(files).map(([option, file]) => `--${option}=${join(keys, file)}`),
    ...['destination', 'policy', 'identity'].map((role) => `--${role}-addr=127.0.0.1:0`),
  ]
}

test('a control plane from files starts, answers and ends', async (t) => {
  const [keys, manifests] = [directory(t), directory(t)]
  t.match(await run('generate-issuer', `--out=${keys}`).ended, { code: 0 })
  for (const secret of ['key.pem', 'service-account.jwk']) {
    t.equal(statSync(join(keys, secret)).mode & 0o777, 0o600, `${secret} is for its owner only`)
  }
  writeFileSync(join(manifests, 'web.json'), MANIFEST)
  const { child, ended } = run(...allArgs(keys, manifests))
  const address = await new Promise<string>((resolve) => {
    child.stderr!.on('data', (text) => {
      const line = String(text)
        .split('\n')
        .find((each) => each.includes('"role":"destination"'))
      if (line !== undefined) resolve(JSON.parse(line).address)
    })
  })
  const client = createClient(Destination, address)
  t.teardown(() => client.close())
  for await (const { update } of client.get({ path: 'web.shop.svc.cluster.local:80' })) {
    t.match(update, { case: 'noEndpoints', value: { exists: true } })
    break
  }
  child.kill('SIGTERM')
  const { code, stderr } = await ended
  t.equal(code, 0)
  for (const line of stderr.trim().split('\n')) t.doesNotThrow(() => JSON.parse(line), 'logs are JSON')
})

test('bad input gets one sentence and exit 64', async (t) => {
  const [keys, manifests] = [directory(t), directory(t)]
  await run('generate-issuer', `--out=${keys}`).ended
  writeFileSync(join(manifests, 'web.json'), MANIFEST)
  const good = allArgs(keys, manifests)
  const cluster = ['kubernetes', ...good.filter((each) => /^--(issuer|trust)/.test(each))]
  const broken = directory(t)
  writeFileSync(join(broken, 'web.yaml'), 'kind: Servce\napiVersion: v1\nmetadata: {name: web}\n')
  const cases = [
    {
      name: 'no issuer file',
      args: [...good, '--issuer-cert=/nowhere.pem'],
      says: /\/nowhere\.pem cannot be read \(ENOENT\)/,
    },
    {
      name: 'a key that is none',
      args: [...good, `--issuer-key=${join(keys, 'ca.crt')}`],
      says: /issuer key in .*ca\.crt is corrupt/,
    },
    {
      name: 'a token key that is none',
      args: [...good, `--service-account-key=${join(keys, 'ca.crt')}`],
      says: /not an ES256 private key as JWK/,
    },
    {
      name: 'a wrong duration',
      args: [...good, '--leaf-lifetime=soon'],
      says: /--leaf-lifetime: "soon" is not a duration/,
    },
    { name: 'a wrong address', args: [...good, '--policy-addr=here'], says: /--policy-addr: "here" is not an address/ },
    {
      name: 'a manifest with problems',
      args: [...good, `--directory=${broken}`],
      says: /web\.yaml.*\n.*problems, told above/,
    },
    { name: 'a missing option', args: ['all'], says: /required option/ },
    { name: 'no pod', args: [...cluster], says: /KUBERNETES_SERVICE_HOST is not set: this is no pod/ },
    { name: 'no URL', args: [...cluster, '--api-server=here'], says: /--api-server: "here" is not an URL/ },
    { name: 'half an address', args: [...cluster, '--api-token=x'], says: /belong to --api-server/ },
    {
      name: 'no token file',
      args: [...cluster, '--api-server=https://127.0.0.1:1', '--api-token=/nowhere'],
      says: /\/nowhere cannot be read \(ENOENT\)/,
    },
  ]
  for (const { name, args, says } of cases) {
    const { code, stderr } = await run(...args).ended
    t.equal(code, 64, name)
    t.match(stderr, says, name)
  }
})
