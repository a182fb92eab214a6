import { test } from 'tap'
import { parseAuthority, parseServiceName } from './authority.ts'
import { parseContextToken, parseWorkload } from './caller.ts'

test('authorities', async (t) => {
  const cases = [
    { text: 'web.shop.svc.cluster.local:8080', is: { host: 'web.shop.svc.cluster.local', isIp: false, port: 8080 } },
    { text: 'WEB.shop.', is: { host: 'web.shop', isIp: false, port: 80 } },
    { text: '10.0.0.1', is: { host: '10.0.0.1', isIp: true, port: 80 } },
    { text: '[2001:DB8::1]:8080', is: { host: '2001:db8::1', isIp: true, port: 8080 } },
    { text: '[::ffff:10.0.0.1]:80', is: { host: '10.0.0.1', isIp: true, port: 80 } },
    { text: 'web:0', is: undefined },
    { text: 'web:65536', is: undefined },
    { text: 'web:', is: undefined },
    { text: ':80', is: undefined },
    { text: '2001:db8::1', is: undefined },
    { text: '[web]:80', is: undefined },
    { text: 'a/b:80', is: undefined },
    { text: `${'a'.repeat(254)}:80`, is: undefined },
    { text: '', is: undefined },
  ]
  for (const { text, is } of cases) t.same(parseAuthority(text), is, `"${text.slice(0, 40)}"`)
})

test('service names', async (t) => {
  const cases = [
    { host: 'web.shop.svc.cluster.local', is: { name: 'web', namespace: 'shop', instance: undefined } },
    { host: 'web-0.web.shop.svc.cluster.local', is: { name: 'web', namespace: 'shop', instance: 'web-0' } },
    { host: 'web.shop.svc.other.local', is: undefined },
    { host: 'web.shop.cluster.local', is: undefined },
    { host: 'shop.svc.cluster.local', is: undefined },
    { host: 'a.b.c.d.svc.cluster.local', is: undefined },
    { host: '.shop.svc.cluster.local', is: undefined },
    { host: 'svc.cluster.local', is: undefined },
  ]
  for (const { host, is } of cases) t.same(parseServiceName(host, 'cluster.local'), is, host)
})

test('context tokens', async (t) => {
  const nobody = { namespace: '', nodeName: '', pod: '' }
  const cases = [
    { token: '{"ns":"shop", "nodeName":"a", "pod":"web-1"}\n', is: { namespace: 'shop', nodeName: 'a', pod: 'web-1' } },
    { token: '{"ns":"shop"}', is: { ...nobody, namespace: 'shop' } },
    { token: 'ns:shop', is: { ...nobody, namespace: 'shop' } },
    { token: '', is: nobody },
    { token: 'nonsense', is: nobody },
    { token: '{"ns":7}', is: nobody },
    { token: 'null', is: nobody },
    { token: `{"ns":"${'x'.repeat(2_000)}"}`, is: nobody },
  ]
  for (const { token, is } of cases) t.same(parseContextToken(token), is, token.slice(0, 40))
})

test('workloads', async (t) => {
  const cases = [
    { workload: '{"ns":"shop", "pod":"web-1"}\n', is: { namespace: 'shop', kind: 'pod', name: 'web-1' } },
    {
      workload: '{"ns":"shop","external_workload":"vm"}',
      is: { namespace: 'shop', kind: 'externalWorkload', name: 'vm' },
    },
    { workload: 'shop:web-1', is: { namespace: 'shop', kind: 'pod', name: 'web-1' } },
    { workload: '{"ns":"shop"}', is: undefined },
    { workload: '{"pod":"web-1"}', is: undefined },
    { workload: '{"ns":"shop","pod":"a","external_workload":"b"}', is: undefined },
    { workload: '{broken', is: undefined },
    { workload: 'shop:', is: undefined },
    { workload: 'web-1', is: undefined },
    { workload: '', is: undefined },
  ]
  for (const { workload, is } of cases) t.same(parseWorkload(workload), is, workload)
})
