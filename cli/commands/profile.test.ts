import { Readable, Writable } from 'node:stream'
import { parseArgs } from 'node:util'
import { test } from 'tap'
import { parseManifests } from '../../api/resources/manifests.ts'
import { profile } from './profile.ts'

async function run(args: readonly string[], stdin = '') {
  const { values, positionals } = parseArgs({ args: [...args], options: profile.options, allowPositionals: true })
  const written = { stdout: '', stderr: '' }
  const stream = (name: keyof typeof written) =>
    new Writable({
      write(chunk, _encoding, done) {
        written[name] += String(chunk)
        done()
      },
    })
  const code = await profile.run({
    values: values as Parameters<typeof profile.run>[0]['values'],
    positionals,
    stdin: Readable.from([Buffer.from(stdin)]),
    stdout: stream('stdout'),
    stderr: stream('stderr'),
  })
  return { code, ...written }
}

test('the profile is printed with its keys in order and nothing empty', async (t) => {
  const openApi = `paths:
  /v1/prices/{id}:
    get: { x-linkerd-retryable: true, x-linkerd-timeout: 300ms, responses: { 200: {}, 503: {} } }
    post: {}
`
  const { code, stdout, stderr } = await run(['--open-api', '-', '-n', 'shop', 'prices'], openApi)
  t.equal(stderr, '')
  t.equal(code, 0)
  t.equal(
    stdout,
    `apiVersion: linkerd.io/v1alpha2
kind: ServiceProfile
metadata:
  name: prices.shop.svc.cluster.local
  namespace: shop
spec:
  routes:
  - condition:
      method: GET
      pathRegex: /v1/prices/[^/]*
    isRetryable: true
    name: GET /v1/prices/{id}
    responseClasses:
    - condition:
        status:
          max: 200
          min: 200
    - condition:
        status:
          max: 503
          min: 503
      isFailure: true
    timeout: 300ms
  - condition:
      method: POST
      pathRegex: /v1/prices/[^/]*
    name: POST /v1/prices/{id}
`,
  )
})

test('what is printed is a profile that the mesh accepts', async (t) => {
  const cases = [
    { name: 'the demo’s OpenAPI document', args: ['--open-api', 'demo/openapi/prices.yaml'], routes: 3 },
    { name: 'the demo’s .proto', args: ['--proto', 'demo/proto/inventory.proto'], routes: 5 },
    { name: 'the template', args: ['--template'], routes: 1 },
  ]
  for (const { name, args, routes } of cases) {
    const { code, stdout, stderr } = await run([...args, '-n', 'shop', 'web'])
    t.equal(stderr, '', `${name}: no complaint`)
    t.equal(code, 0, `${name}: exit code`)
    const { objects, problems } = parseManifests(stdout, 'profile.yaml')
    t.same(problems, [], `${name}: no problem`)
    const [object] = objects
    t.equal(object?.kind === 'ServiceProfile' ? object.spec.routes.length : 0, routes, `${name}: routes`)
  }
})

test('JSON and another cluster domain', async (t) => {
  const { code, stdout } = await run(
    ['--proto', '-', '-o', 'json', '--cluster-domain', 'example.org', 'a'],
    'service S {}',
  )
  t.equal(code, 0)
  t.same(JSON.parse(stdout), {
    apiVersion: 'linkerd.io/v1alpha2',
    kind: 'ServiceProfile',
    metadata: { name: 'a.default.svc.example.org', namespace: 'default' },
    spec: {},
  })
})

test('bad input is one sentence and exit code 1', async (t) => {
  const cases = [
    { name: 'no service', args: ['--template'], stderr: /^profile: name the service, for instance/ },
    {
      name: 'two services',
      args: ['--template', 'a', 'b'],
      stderr: /^profile: one service at a time; "b" is too much/,
    },
    {
      name: 'a service that is none',
      args: ['--template', '1a'],
      stderr: /^profile: "1a" is not the name of a service/,
    },
    {
      name: 'a namespace that is none',
      args: ['--template', '-n', 'A', 'a'],
      stderr: /^profile: "A" is not the name of a namespace/,
    },
    {
      name: 'no source',
      args: ['a'],
      stderr: /^profile: give exactly one of --open-api FILE, --proto FILE and --template/,
    },
    { name: 'two sources', args: ['--template', '--proto', 'x', 'a'], stderr: /^profile: give exactly one of/ },
    {
      name: 'another output',
      args: ['--template', '-o', 'xml', 'a'],
      stderr: /^profile: --output xml: choose yaml or json/,
    },
    {
      name: 'no such file',
      args: ['--proto', '/nope.proto', 'a'],
      stderr: /^profile: \/nope\.proto does not exist; check the path/,
    },
    {
      name: 'a directory',
      args: ['--proto', '/tmp', 'a'],
      stderr: /^profile: \/tmp is a directory; name the file in it/,
    },
    {
      name: 'a broken source',
      args: ['--proto', '-', 'a'],
      stderr: /^profile: standard input:1: no service is defined here/,
    },
  ]
  for (const { name, args, stderr } of cases) {
    const result = await run(args)
    t.match(result.stderr, stderr, name)
    t.equal(result.code, 1, `${name}: exit code`)
    t.equal(result.stdout, '', `${name}: nothing on standard output`)
  }
})
