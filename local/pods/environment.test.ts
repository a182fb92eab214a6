import { test } from 'tap'
import { manifest, pod } from '../testing/objects.ts'
import { containerEnvironment, type EnvironmentSources, expandVariables, podField } from './environment.ts'

const sources: EnvironmentSources = {
  nodeName: 'node-1',
  configMap: (name) => (name === 'settings' ? { color: 'blue' } : undefined),
  secret: (name) => (name === 'keys' ? { token: 's3cret' } : undefined),
}

function environmentOf(env: string) {
  const given = pod('web-1', {
    ip: '10.42.0.5',
    labels: { app: 'web' },
    spec: `serviceAccountName: shop-web, containers: [{ name: main, command: [x], env: [${env}] }]`,
  })
  return containerEnvironment(given.spec.containers[0]!, given, sources, [['PATH', '/bin']])
}

test('env', async (t) => {
  const cases = [
    { name: 'a value', env: '{ name: A, value: "1" }', is: { A: '1' } },
    { name: 'no value is the empty text', env: '{ name: A }', is: { A: '' } },
    {
      name: 'a variable before it',
      env: '{ name: A, value: x }, { name: B, value: "$(A)-$(PATH)" }',
      is: { B: 'x-/bin' },
    },
    {
      name: 'a variable after it stays as written',
      env: '{ name: B, value: $(A) }, { name: A, value: x }',
      is: { B: '$(A)' },
    },
    { name: 'an escaped variable', env: '{ name: A, value: x }, { name: B, value: "$$(A)" }', is: { B: '$(A)' } },
    { name: 'the later of two wins', env: '{ name: A, value: x }, { name: A, value: y }', is: { A: 'y' } },
    {
      name: 'a label',
      env: `{ name: A, valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } }`,
      is: { A: 'web' },
    },
    {
      name: 'the address',
      env: '{ name: A, valueFrom: { fieldRef: { fieldPath: status.podIP } } }',
      is: { A: '10.42.0.5' },
    },
    {
      name: 'all addresses',
      env: '{ name: A, valueFrom: { fieldRef: { fieldPath: status.podIPs } } }',
      is: { A: '10.42.0.5' },
    },
    {
      name: 'the node',
      env: '{ name: A, valueFrom: { fieldRef: { fieldPath: spec.nodeName } } }',
      is: { A: 'node-1' },
    },
    {
      name: 'the service account',
      env: '{ name: A, valueFrom: { fieldRef: { fieldPath: spec.serviceAccountName } } }',
      is: { A: 'shop-web' },
    },
    {
      name: 'a ConfigMap',
      env: '{ name: A, valueFrom: { configMapKeyRef: { name: settings, key: color } } }',
      is: { A: 'blue' },
    },
    {
      name: 'a Secret',
      env: '{ name: A, valueFrom: { secretKeyRef: { name: keys, key: token } } }',
      is: { A: 's3cret' },
    },
    {
      name: 'an optional key that is not there',
      env: '{ name: A, valueFrom: { secretKeyRef: { name: keys, key: x, optional: true } } }',
      is: { A: undefined },
    },
  ]
  for (const { name, env, is } of cases) {
    const environment = environmentOf(env)
    for (const [key, value] of Object.entries(is)) t.equal(environment.get(key), value, name)
  }
})

test('references that lead nowhere', async (t) => {
  t.throws(() => environmentOf('{ name: A, valueFrom: { configMapKeyRef: { name: settings, key: size } } }'), {
    message: 'container main: env A: there is no key size in ConfigMap shop/settings; add it',
  })
  t.throws(() => environmentOf('{ name: A, valueFrom: { fieldRef: { fieldPath: spec.color } } }'), {
    message: 'container main: env A: a pod has no field spec.color',
  })
})

test('expandVariables', async (t) => {
  t.equal(expandVariables('$(A) $(B) $$(A) $ $$', new Map([['A', '1']])), '1 $(B) $(A) $ $')
})

test('podField: labels as a file', async (t) => {
  const [given] = manifest(
    '{ apiVersion: v1, kind: Pod, metadata: { name: a, labels: { b: "2", a: "1" } }, spec: { containers: [{ name: x, command: [y] }] } }',
  )
  t.equal(podField(given as never, 'metadata.labels', ''), 'a="1"\nb="2"')
})
