import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { NODE_FLAGS } from '../proxy/node-flags.ts'
import { preparePrograms } from './programs.ts'

/** Reads the bundle as `proxy/start.ts` does and says whether V8 took the cache. */
const TRY = `
const { readFileSync } = require('node:fs')
const { Script } = require('node:vm')
const [source, cache] = ['proxy.bundle.cjs', 'proxy.cache'].map((name) => readFileSync(process.argv[1] + '/' + name))
const script = new Script(source.toString('latin1'), { cachedData: cache })
process.stdout.write(String(script.cachedDataRejected))
`

test('the code cache is one that a sidecar takes', async (t) => {
  const programs = await preparePrograms()
  const tried = (flags: readonly string[]): string =>
    execFileSync(process.execPath, [...flags, '-e', TRY, programs], { encoding: 'utf8', env: {} })
  t.equal(tried(NODE_FLAGS), 'false')
  t.equal(tried([...NODE_FLAGS, '--no-opt']), 'true', 'other flags, other code: V8 says so')
})

test('the bundle is ASCII, as it is read', async (t) => {
  const source = readFileSync(join(await preparePrograms(), 'proxy.bundle.cjs'))
  t.ok(source.every((byte) => byte < 0x80))
})

test('a bundle without settings says what is missing', async (t) => {
  const proxy = join(await preparePrograms(), 'proxy.cjs')
  const { status, stderr } = spawnSync(process.execPath, [...NODE_FLAGS, proxy], { env: {}, encoding: 'utf8' })
  t.equal(status, 64)
  t.match(stderr, /LINKERD2_PROXY_IDENTITY_LOCAL_NAME/)
})
