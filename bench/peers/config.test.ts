/** What the other proxies are told, held against the proxies themselves where they are installed. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { runProgram } from '../../injector/rules/run.ts'
import { createAuthority } from '../../test/support/authority.ts'
import { ALL_ORIGINS } from '../origin-ports.ts'
import { isInPath } from '../requirements.ts'
import { type HaproxyPlace, inboundConfig, outboundConfig } from './haproxy-config.ts'
import { nginxConfig } from './hops.ts'

const cannotRun = isInPath('haproxy') ? false : 'haproxy is not installed'

test('haproxy accepts both configurations', { skip: cannotRun }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-bench-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const authority = await createAuthority()
  const leaf = await authority.issue('web.shop')
  const place: HaproxyPlace = {
    peerIp: '127.0.0.1',
    certFile: join(folder, 'cert.pem'),
    caFile: join(folder, 'ca.crt'),
    identity: 'web.shop',
    tlsEchoAddress: '127.0.0.1:4143',
    cores: 1,
  }
  writeFileSync(place.certFile, leaf.certificatePem + leaf.privateKeyPem)
  writeFileSync(place.caFile, authority.anchorsPem)
  for (const [side, config] of [
    ['inbound', inboundConfig(place)],
    ['outbound', outboundConfig(place)],
  ] as const) {
    const file = join(folder, `${side}.cfg`)
    writeFileSync(file, config)
    const { code, stdout, stderr } = await runProgram('haproxy', ['-c', '-f', file])
    t.equal(code, 0, stdout + stderr)
  }
})

test('nginx has a server for every application of HTTP/1', async (t) => {
  const config = nginxConfig('/run/nginx', '10.0.0.1')
  for (const { port, kind } of ALL_ORIGINS) t.equal(config.includes(`app${port} `), kind === 'h1', `${port}`)
})
