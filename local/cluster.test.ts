import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { eventually, TestCluster, whyNoCluster } from './testing/cluster.ts'

const skip = whyNoCluster()

const SERVER =
  "require('http').createServer((request, response) => response.end(require('os').hostname())).listen(8080)"
const web = (replicas: number, answer = '') => `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: http }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          image: ignored
          command: [node, -e, "${SERVER}${answer}"]
          ports: [{ name: http, containerPort: 8080 }]
          readinessProbe: { httpGet: { port: http } }
`
const shop = `
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: settings, namespace: shop }
data: { color: blue }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: client, namespace: shop }
spec:
  selector: { matchLabels: { app: client } }
  template:
    metadata: { labels: { app: client } }
    spec:
      volumes: [{ name: settings, configMap: { name: settings } }]
      containers:
        - name: client
          command: [sleep, "3600"]
          volumeMounts: [{ name: settings, mountPath: /run/settings }]
          env: [{ name: IP, valueFrom: { fieldRef: { fieldPath: status.podIP } } }]
---
apiVersion: v1
kind: Pod
metadata: { name: crasher, namespace: shop }
spec: { containers: [{ name: main, command: [sh, -c, "echo again; exit 3"] }] }
`

/** A program for `exec` that asks a URL twenty times, each time over a new connection. */
const ask = (url: string) => [
  'node',
  '-e',
  `for (let i = 0; i < 20; i++) require('http').get('${url}', { agent: false }, (r) => r.setEncoding('utf8').on('data', (text) => console.log(text)))`,
]

test('a cluster of unmeshed pods', { skip, timeout: 110_000 }, async (t) => {
  const cluster = new TestCluster()
  t.teardown(() => cluster.remove())
  const put = (file: string, text: string) => writeFileSync(join(cluster.manifests, file), text)
  const readyPods = (name: string) =>
    cluster
      .weft('get', 'pods', '-n', 'shop')
      .split('\n')
      .filter((line) => line.includes(` ${name}-`) && / 1\/1 +Running/.test(line)).length
  put('shop.yaml', shop)
  put('web.yaml', web(3))
  cluster.start()
  await eventually(() => readyPods('web') === 3 && readyPods('client') === 1, 'the pods become ready')

  await eventually(() => /web\.yaml:\d+: .*image: is ignored/.test(cluster.stderr), 'what is ignored is said')
  const askedFrom = (url: string) =>
    new Set(
      cluster
        .weft('exec', 'client', '--', ...ask(url))
        .trim()
        .split('\n'),
    )
  t.ok(askedFrom('http://web').size > 1, 'the service address spreads over several pods, by the short name')
  t.ok(askedFrom('http://web.shop.svc.cluster.local').size > 1, 'and by the full one')
  t.equal(cluster.weft('exec', 'client', '--', 'cat', '/run/settings/color'), 'blue', 'a ConfigMap as a file')
  t.match(
    cluster.weft('exec', 'client', '--', 'sh', '-c', 'echo $IP; id -u; hostname'),
    /^10\.42\.\d+\.\d+\n65532\nclient-/,
    'its own address, user and host name',
  )
  t.equal(cluster.exitCode('exec', 'client', '--', 'sh', '-c', 'exit 7'), 7, 'exec hands on the exit code')

  cluster.weft('scale', 'deployment/web', '--replicas', '5', '-n', 'shop')
  await eventually(() => readyPods('web') === 5, 'five replicas')
  cluster.weft('scale', 'deployment/web', '--replicas', '1')
  await eventually(
    () =>
      cluster
        .weft('get', 'pods')
        .split('\n')
        .filter((line) => line.includes(' web-')).length === 1,
    'one replica',
  )
  t.equal(askedFrom('http://web').size, 1, 'pods that ended get no request')

  put('web.yaml', web(2, ' // changed'))
  await eventually(() => readyPods('web') === 2, 'a changed file takes effect')

  put('web.yaml', web(2).replace('port: 80,', 'port: 99999,'))
  await eventually(
    () => cluster.stderr.includes('99999 is not a port (1 to 65535)\nthe cluster keeps its last good state'),
    'a bad file is reported',
  )
  t.equal(readyPods('web'), 2, 'and changes nothing')

  await eventually(
    () => / crasher +0\/1 +CrashLoopBackOff +[2-9]/.test(cluster.weft('get', 'pods')),
    'a container that ends is started again',
  )
  t.match(cluster.weft('logs', 'crasher'), /again\n\[weft\] exited with 3\n\[weft\] starts again in 1 s\nagain\n/)
  cluster.weft('delete', 'pod/crasher')
  await eventually(() => !cluster.weft('get', 'pods').includes('crasher'), 'a deleted pod disappears')

  t.match(cluster.refusal('get', 'stars'), /"stars" is not a kind/)
  t.match(cluster.refusal('logs', 'nobody'), 'there is no Pod nobody; see: weft local get pods')
  t.match(cluster.refusal('apply', '-f', '/nowhere.yaml'), '/nowhere.yaml cannot be read: there is no such file')
  const second = new TestCluster()
  t.teardown(() => second.remove())
  second.start('local', cluster.manifests)
  t.equal(await second.exit(), 1)
  t.match(second.stderr, /99999 is not a port/, 'the same files refuse a new start, with one sentence')

  const processes = cluster.processes()
  t.ok(processes.length > 5, `${processes.length} processes`)
  await cluster.end('SIGKILL')
  await eventually(
    () => processes.every((pid) => !existsSync(`/proc/${pid}`)),
    'killed outright, everything ends',
    5_000,
  )
  t.match(cluster.refusal('get', 'pods'), 'there is no running cluster')

  put('web.yaml', web(1))
  cluster.start('local', cluster.manifests, '--for', '1s')
  await eventually(() => cluster.stdout.includes('up in'), 'the next start cleans up what was left')
  await cluster.exit()
  t.same(readdirSync(cluster.directory), [], 'ended in order, nothing is left')
})

test('a start that cannot be', { skip, timeout: 60_000 }, async (t) => {
  const cases = [
    { name: 'not YAML', text: 'a: [', says: /a\.yaml:\d+: this is not YAML: / },
    {
      name: 'an unknown kind',
      text: '{ apiVersion: apps/v1, kind: StatefulSet, metadata: { name: a } }',
      says: /"StatefulSet" is not supported; supported are Namespace/,
    },
    {
      name: 'no command',
      text: '{ apiVersion: v1, kind: Pod, metadata: { name: a }, spec: { containers: [{ name: b, image: nginx }] } }',
      says: /container b has none, and there are no images here to take it from; add command/,
    },
    {
      name: 'a duplicate',
      text: '{ apiVersion: v1, kind: ConfigMap, metadata: { name: a } }\n---\n{ apiVersion: v1, kind: ConfigMap, metadata: { name: a } }',
      says: /is defined in line 1 already/,
    },
    {
      name: 'a bad regular expression',
      text: '{ apiVersion: linkerd.io/v1alpha2, kind: ServiceProfile, metadata: { name: a.default.svc.cluster.local }, spec: { routes: [{ name: r, condition: { pathRegex: "(" } }] } }',
      says: /"\(" is not a regular expression: unterminated group/,
    },
  ]
  for (const { name, text, says } of cases) {
    const cluster = new TestCluster()
    t.teardown(() => cluster.remove())
    writeFileSync(join(cluster.manifests, 'a.yaml'), text)
    cluster.start()
    t.equal(await cluster.exit(), 1, `${name}: exit code`)
    t.match(cluster.stderr, says, name)
    t.equal(cluster.stderr.trim().split('\n').length, 1, `${name}: one sentence`)
  }
})

test('a corrupt certificate', { skip, timeout: 30_000 }, async (t) => {
  const cluster = new TestCluster()
  t.teardown(() => cluster.remove())
  const file = (name: string) => join(cluster.manifests, name)
  writeFileSync(file('a.yaml'), '{ apiVersion: v1, kind: ConfigMap, metadata: { name: a } }')
  for (const name of ['ca.crt', 'tls.crt', 'tls.key'])
    writeFileSync(file(name), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
  cluster.start(
    'local',
    file('a.yaml'),
    '--trust-anchors',
    file('ca.crt'),
    '--issuer-certificate',
    file('tls.crt'),
    '--issuer-key',
    file('tls.key'),
  )
  t.equal(await cluster.exit(), 1)
  t.match(cluster.stderr, file('tls.crt'), 'the file is named')
})
