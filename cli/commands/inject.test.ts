import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { parseArgs } from 'node:util'
import { test } from 'tap'
import { parseAllDocuments } from 'yaml'
import type { Command } from '../command.ts'
import { inject, uninject } from './inject.ts'

const WEB = `# The shop's front.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  replicas: 3 # one per zone
  template:
    metadata:
      labels:
        app: web
    spec:
      containers:
        - name: web
          image: shop/web:1
          ports:
            - containerPort: 8080
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data:
  key: "value" # as it was
---
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  ports:
    - port: 80
`

const pod = (spec: string) => `kind: Pod\nmetadata:\n  name: p\nspec:\n${spec}`
const CONTAINER = '  containers:\n    - name: c\n      image: i\n'

async function call(command: Command, args: string, input = '') {
  const { values, positionals } = parseArgs({
    args: args.split(' ').filter((arg) => arg !== ''),
    options: command.options,
    allowPositionals: true,
  })
  const stdout = new PassThrough().setEncoding('utf8')
  const stderr = new PassThrough().setEncoding('utf8')
  const code = await command.run({ values, positionals, stdin: Readable.from([input]), stdout, stderr })
  return { code, stdout: (stdout.read() as string | null) ?? '', stderr: (stderr.read() as string | null) ?? '' }
}

test('weft inject annotates workloads and keeps everything else', async (t) => {
  const { code, stdout, stderr } = await call(inject, '-', WEB)
  t.equal(code, 0)
  t.equal(
    stdout,
    WEB.replace('        app: web\n', '        app: web\n      annotations:\n        linkerd.io/inject: enabled\n') +
      '---\n',
    'comments, order and the other documents stay',
  )
  t.equal(stderr, '\ndeployment "web" injected\nconfigmap "settings" skipped\nservice "web" skipped\n\n')
})

test('weft inject: flags become annotations', async (t) => {
  const cases = [
    { name: 'ingress', args: '--ingress', annotations: { 'linkerd.io/inject': 'ingress' } },
    {
      name: 'what the installation says by itself is left out',
      args: '--proxy-uid 2102 --skip-inbound-ports 4567,4568 --proxy-log-level debug',
      annotations: { 'linkerd.io/inject': 'enabled', 'config.linkerd.io/proxy-log-level': 'debug' },
    },
    {
      name: 'switches and a registry',
      args: '--enable-debug-sidecar --native-sidecar --registry registry.local/mesh',
      annotations: {
        'linkerd.io/inject': 'enabled',
        'config.linkerd.io/enable-debug-sidecar': 'true',
        'config.linkerd.io/proxy-image': 'registry.local/mesh/weft',
      },
    },
  ]
  for (const { name, args, annotations } of cases) {
    const { stdout } = await call(inject, `${args} -`, WEB)
    t.same(first(stdout).spec.template.metadata.annotations, annotations, name)
  }
  const { stdout, stderr } = await call(inject, '--opaque-ports 8080,http -', WEB)
  t.match(
    stdout,
    /name: web\n {2}annotations:\n {4}config.linkerd.io\/opaque-ports: 8080,http/,
    'a Service takes opaque ports',
  )
  t.match(stderr, 'service "web" annotated\n')
})

test('weft inject: every kind with pods', async (t) => {
  const template = `spec:\n  template:\n    spec:\n      containers:\n        - name: c\n`
  for (const kind of ['Deployment', 'ReplicaSet', 'ReplicationController', 'StatefulSet', 'DaemonSet', 'Job']) {
    const { stdout, stderr } = await call(inject, '-', `kind: ${kind}\nmetadata:\n  name: x\n${template}`)
    t.equal(first(stdout).spec.template.metadata.annotations['linkerd.io/inject'], 'enabled', kind)
    t.equal(stderr, `\n${kind.toLowerCase()} "x" injected\n\n`)
  }
  const cron =
    'kind: CronJob\nspec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n          containers:\n            - name: c\n'
  const cronJob = first((await call(inject, '-', cron)).stdout)
  t.equal(cronJob.spec.jobTemplate.spec.template.metadata.annotations['linkerd.io/inject'], 'enabled', 'CronJob')
  t.equal(
    first((await call(inject, '-', pod(CONTAINER))).stdout).metadata.annotations['linkerd.io/inject'],
    'enabled',
    'Pod',
  )
  const namespace = first((await call(inject, '-', 'kind: Namespace\nmetadata: {name: shop}\n')).stdout)
  t.equal(namespace.metadata.annotations['linkerd.io/inject'], 'enabled', 'Namespace')

  const indented = pod(CONTAINER).replace(/^/gm, '    ').replace('    kind', '  - kind')
  const list = await call(inject, '-', `kind: List\nitems:\n${indented}\n  - kind: Secret\n    metadata: {name: s}\n`)
  t.equal(first(list.stdout).items[0].metadata.annotations['linkerd.io/inject'], 'enabled', 'in a List')
  t.equal(list.stderr, '\npod "p" injected\nsecret "s" skipped\n\n')
})

test('weft inject --manual', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'weft-inject-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const anchors = join(directory, 'anchors.pem')
  await writeFile(anchors, '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n')
  const flags = `--manual --identity-trust-anchors-file ${anchors}`
  const namespace =
    'kind: Namespace\nmetadata:\n  name: shop\n  annotations:\n    config.linkerd.io/proxy-log-level: debug\n---\n'

  const once = await call(inject, `${flags} --inbound-port 5143 -`, namespace + WEB)
  t.equal(once.code, 0, once.stderr)
  const [, web] = parseAllDocuments(once.stdout).map((document) => document.toJS())
  const { metadata, spec } = web.spec.template
  t.same(
    spec.initContainers.map((each: { name: string }) => each.name),
    ['linkerd-init', 'linkerd-proxy'],
  )
  t.match(metadata.labels, { app: 'web', 'linkerd.io/workload-ns': 'shop', 'linkerd.io/proxy-deployment': 'web' })
  t.match(metadata.annotations, { 'config.linkerd.io/inbound-port': '5143', 'linkerd.io/created-by': 'weft/cli 0.1.0' })
  t.match(
    JSON.stringify(spec),
    /"LINKERD2_PROXY_LOG","value":"debug/,
    'what the namespace of the manifest says is inherited',
  )
  t.match(once.stdout, 'replicas: 3 # one per zone', 'comments stay')

  const twice = await call(inject, `${flags} --inbound-port 5143 -`, once.stdout)
  t.same(documents(twice.stdout), documents(once.stdout), 'injected again, it is taken out and put in the same')

  const out = await call(uninject, '-', (await call(inject, `${flags} -`, WEB)).stdout)
  t.equal(out.stderr, '\ndeployment "web" uninjected\nconfigmap "settings" skipped\nservice "web" skipped\n\n')
  t.notMatch(out.stdout, /linkerd/, 'uninject leaves nothing of it')

  const aliased =
    'kind: Deployment\nmetadata: &m {name: a}\nspec:\n  template:\n    metadata: *m\n    spec: {containers: [{name: c}]}\n'
  const written = first((await call(inject, '-', aliased)).stdout)
  t.same(
    [written.metadata, written.spec.template.metadata.annotations],
    [{ name: 'a' }, { 'linkerd.io/inject': 'enabled' }],
    'aliases are written out',
  )
})

test('weft inject -o json', async (t) => {
  const { stdout } = await call(inject, '-o json -', pod(CONTAINER))
  t.match(JSON.parse(stdout), { kind: 'Pod', metadata: { annotations: { 'linkerd.io/inject': 'enabled' } } })
})

test('weft inject: what is left alone, and what is an error', async (t) => {
  const cases = [
    {
      name: 'a workload that says disabled',
      input: `kind: Pod\nmetadata:\n  name: p\n  annotations:\n    linkerd.io/inject: disabled\nspec:\n${CONTAINER}`,
      stderr:
        '\n‼ "linkerd.io/inject: disabled" annotation set on pod/p\n‼ no supported objects found\n\npod "p" skipped: injection_disable_annotation_present\n\n',
    },
    {
      name: 'no kind',
      input: 'metadata: {name: x}\n',
      stderr: '\n‼ no supported objects found\n\ndocument missing "kind" field, skipped\n\n',
    },
    {
      name: 'UDP',
      input: pod(`${CONTAINER}      ports:\n        - containerPort: 53\n          protocol: UDP\n`),
      stderr: '\n‼ pod/p uses "protocol: UDP"\n\npod "p" injected\n\n',
    },
    {
      name: 'host network',
      input: pod(`  hostNetwork: true\n${CONTAINER}`),
      code: 1,
      stderr: 'Error transforming resources:\nfailed to inject pod/p: hostNetwork is enabled\n',
    },
    {
      name: "another mesh's sidecar",
      input: pod('  containers:\n    - name: istio-proxy\n'),
      code: 1,
      stderr: 'Error transforming resources:\nfailed to inject pod/p: a known sidecar is injected already\n',
    },
    {
      name: 'YAML that does not parse',
      input: 'kind: Pod\nmetadata: {name: x\n',
      code: 1,
      stderr:
        'inject: standard input:3:1: Flow map in block collection must be sufficiently indented and end with a }\n',
    },
    {
      name: 'no map',
      input: '- 1\n',
      code: 1,
      stderr: 'inject: standard input:1: a manifest is a map with kind and metadata\n',
    },
    {
      name: 'a file that is not there',
      args: 'missing.yaml',
      code: 1,
      stderr: 'inject: missing.yaml: there is no such file or directory\n',
    },
    { name: 'no argument', args: '', code: 1, stderr: /^inject: name a manifest: / },
    {
      name: 'two arguments',
      args: 'a.yaml b.yaml',
      code: 1,
      stderr: 'inject: one manifest at a time; "b.yaml" is too much\n',
    },
    {
      name: 'http',
      args: 'http://x/y.yaml',
      code: 1,
      stderr: 'inject: http://x/y.yaml: only https addresses are read\n',
    },
    { name: 'a wrong output', args: '-o xml -', code: 1, stderr: 'inject: --output is "xml"; give yaml or json\n' },
    {
      name: 'wrong flags',
      args: '--inbound-port 0 --opaque-ports 1;2 -',
      code: 1,
      stderr:
        'inject: config.linkerd.io/inbound-port: "0" is not a port from 1 to 65535; config.linkerd.io/opaque-ports: "1;2" is no list of ports, ranges and names\n',
    },
    {
      name: 'manual without anchors',
      args: '--manual -',
      code: 1,
      stderr: /^inject: --manual writes the trust anchors into the pods: give /,
    },
    {
      name: 'anchors without a certificate',
      args: '--manual --identity-trust-anchors-file package.json -',
      code: 1,
      stderr: 'inject: --identity-trust-anchors-file package.json: no certificate in it; give a PEM bundle\n',
    },
  ]
  for (const { name, args = '-', input = '', code = 0, stderr } of cases) {
    const result = await call(inject, args, input)
    t.equal(result.code, code, `${name}: exit code`)
    if (typeof stderr === 'string') t.equal(result.stderr, stderr, name)
    else t.match(result.stderr, stderr, name)
    if (code !== 0) t.equal(result.stdout, '', `${name}: nothing on standard output`)
  }
})

test('weft inject DIRECTORY', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'weft-inject-'))
  t.teardown(() => rm(directory, { recursive: true }))
  t.match(await call(inject, directory), {
    code: 1,
    stderr: `inject: ${directory}: no file below it ends in .yaml, .yml or .json\n`,
  })
  await writeFile(join(directory, 'b.yaml'), pod(CONTAINER).replace('name: p', 'name: b'))
  await writeFile(join(directory, 'a.json'), JSON.stringify({ kind: 'Namespace', metadata: { name: 'a' } }))
  await writeFile(join(directory, 'notes.txt'), 'not: [yaml')
  t.match(await call(inject, directory), { code: 0, stderr: '\nnamespace "a" annotated\npod "b" injected\n\n' })
})

// biome-ignore lint/suspicious/noExplicitAny: what comes out of YAML is looked into freely here
function documents(text: string): any[] {
  return parseAllDocuments(text).map((document) => document.toJS())
}

// biome-ignore lint/suspicious/noExplicitAny: see above
function first(text: string): any {
  return documents(text)[0]
}
