import { test } from 'tap'
import { formatProblem, parseManifests } from '../../api/resources/manifests.ts'
import { MemoryStore } from '../../control/resources/store.ts'
import { manifest } from '../testing/objects.ts'
import { checkRules, ignoredFields } from './rules.ts'

const store = new MemoryStore()
store.apply([
  ...manifest('{ apiVersion: v1, kind: Namespace, metadata: { name: shop } }'),
  ...manifest(
    '{ apiVersion: v1, kind: Namespace, metadata: { name: meshed, annotations: { linkerd.io/inject: enabled } } }',
  ),
  ...manifest(
    '{ apiVersion: v1, kind: Service, metadata: { name: taken, namespace: shop }, spec: { clusterIP: 10.96.0.77, ports: [{ port: 80 }] } }',
  ),
])
const context = { store, workingDir: '/app', isProgram: (name: string) => name === 'node' || name === '/app/run.sh' }

const podText = (containers: string, namespace = 'shop', more = '') => `apiVersion: v1
kind: Pod
metadata: { name: a, namespace: ${namespace} }
spec:
  ${more}
  containers:
${containers.replace(/^/gm, '    ')}
`

function problemsOf(text: string): string[] {
  const parsed = parseManifests(text, 'a.yaml')
  return [...parsed.problems, ...checkRules(parsed, context)].map(formatProblem)
}

test('what runs on one machine', async (t) => {
  const cases = [
    { name: 'a program on PATH', text: podText('- { name: main, command: [node, x.js] }'), says: [] },
    { name: 'a program in the working directory', text: podText('- { name: main, command: [./run.sh] }'), says: [] },
    {
      name: 'no command',
      text: podText('- { name: main, image: nginx }'),
      says: [
        'a.yaml:7: Pod shop/a: spec.containers[0].command: container main has none, and there are no images here to take it from; add command',
      ],
    },
    {
      name: 'a program that is not there',
      text: podText('- name: main\n  command: [nodee]'),
      says: [
        'a.yaml:8: Pod shop/a: spec.containers[0].command: there is no program nodee on PATH; install it or correct the command',
      ],
    },
    {
      name: 'a file that is not there',
      text: podText('- { name: main, command: [./stop.sh] }'),
      says: [
        'a.yaml:7: Pod shop/a: spec.containers[0].command: there is no program ./stop.sh in /app; install it or correct the command',
      ],
    },
    {
      name: 'a port in use by another container',
      text: podText(
        '- { name: one, command: [node], ports: [{ containerPort: 80 }] }\n- name: two\n  command: [node]\n  ports: [{ containerPort: 80 }]',
      ),
      says: [
        'a.yaml:10: Pod shop/a: spec.containers[1].ports[0].containerPort: 80/TCP is in use by container one of the same pod; choose another',
      ],
    },
    {
      name: 'a port in use by the proxy',
      text: podText('- { name: one, command: [node], ports: [{ containerPort: 4143 }] }', 'meshed'),
      says: [
        'a.yaml:7: Pod meshed/a: spec.containers[0].ports[0].containerPort: 4143 is in use by the pod’s proxy; choose another',
      ],
    },
    {
      name: 'the same port without proxy',
      text: podText('- { name: one, command: [node], ports: [{ containerPort: 4143 }] }'),
      says: [],
    },
    {
      name: 'a namespace that is not there',
      text: podText('- { name: main, command: [node] }', 'nope'),
      says: ['a.yaml:3: Pod nope/a: metadata.namespace: there is no Namespace nope; add it to a manifest'],
    },
    {
      name: 'a namespace of the same files',
      text: `{ apiVersion: v1, kind: Namespace, metadata: { name: nope } }\n---\n${podText('- { name: main, command: [node] }', 'nope')}`,
      says: [],
    },
    {
      name: 'an account that is not there',
      text: podText('- { name: main, command: [node] }', 'shop', 'serviceAccountName: bob'),
      says: [
        'a.yaml:5: Pod shop/a: spec.serviceAccountName: there is no ServiceAccount shop/bob; add it to a manifest',
      ],
    },
    {
      name: 'the network of the machine',
      text: podText('- { name: main, command: [node] }', 'shop', 'hostNetwork: true'),
      says: [/hostNetwork: is not possible here/],
    },
    {
      name: 'an address of somebody else',
      text: '{ apiVersion: v1, kind: Service, metadata: { name: b, namespace: shop }, spec: { clusterIP: 10.96.0.77, ports: [{ port: 80 }] } }',
      says: [/10\.96\.0\.77 belongs to Service shop\/taken/],
    },
    {
      name: 'an address elsewhere',
      text: '{ apiVersion: v1, kind: Service, metadata: { name: b, namespace: shop }, spec: { clusterIP: 10.0.0.1, ports: [{ port: 80 }] } }',
      says: [/10\.0\.0\.1 is not in 10\.96\.0\.0\/16/],
    },
  ]
  for (const { name, text, says } of cases) {
    const problems = problemsOf(text)
    t.equal(problems.length, says.length, `${name}: ${problems.join(' ')}`)
    for (const [index, expected] of says.entries()) t.match(problems[index], expected, name)
  }
})

test('what is ignored is said once', async (t) => {
  const parsed = parseManifests(
    podText('- { name: one, image: a, command: [node], resources: {} }\n- { name: two, image: b, command: [node] }'),
    'a.yaml',
  )
  t.same(
    ignoredFields(parsed).map(({ line, field }) => `${line} ${field}`),
    ['7 image', '7 resources'],
  )
})
