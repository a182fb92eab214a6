import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { test } from 'tap'
import { checkPolicy } from './check-policy.ts'

async function run(directory: string, files: Readonly<Record<string, string>>, quiet = false) {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  const written = { stdout: '', stderr: '' }
  const stream = (name: keyof typeof written) =>
    new Writable({
      write(chunk, _encoding, done) {
        written[name] += String(chunk).replaceAll(`${directory}/`, '')
        done()
      },
    })
  const code = await checkPolicy.run({
    values: { namespace: 'shop', quiet },
    positionals: Object.keys(files).map((name) => join(directory, name)),
    stdin: Readable.from([]),
    stdout: stream('stdout'),
    stderr: stream('stderr'),
  })
  return { code, ...written }
}

test('check-policy', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'weft-check-policy-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const server = (protocol: string) => `apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: { name: web }
spec:
  podSelector: {}
  port: 80
  proxyProtocol: ${protocol}
`
  t.same(await run(directory, { 'good.yaml': server('HTTP/2') }), { code: 0, stdout: '1 object checked\n', stderr: '' })
  t.same(await run(directory, { 'good.yaml': server('HTTP/2') }, true), { code: 0, stdout: '', stderr: '' }, 'quiet')
  t.same(
    await run(directory, { 'bad.yaml': server('HTTP/3') }),
    {
      code: 1,
      stdout: '',
      stderr:
        'bad.yaml:7: Server shop/web: spec.proxyProtocol: "HTTP/3" is not one of unknown, HTTP/1, HTTP/2, gRPC, opaque, TLS\n',
    },
    'the line of the field',
  )
  const other = 'apiVersion: batch/v1\nkind: CronJob\nmetadata: { name: nightly }\n'
  t.match(
    await run(directory, { 'mixed.yaml': `${other}---\n${server('gRPC')}` }),
    {
      code: 0,
      stderr: 'note: mixed.yaml:2: CronJob shop/nightly: kind: "CronJob" is not a kind that is checked here\n',
    },
    'kinds that have nothing to do with policy',
  )
  t.match(await run(directory, { 'broken.yaml': 'a: [1' }), { code: 1, stderr: /^broken\.yaml:1: this is not YAML/ })
  const gone = await checkPolicy.run({
    values: {},
    positionals: [],
    stdin: Readable.from([]),
    stdout: new Writable(),
    stderr: new Writable({ write: (_chunk, _encoding, done) => done() }),
  })
  t.equal(gone, 1, 'nothing named')
})
