import { test } from 'tap'
import { type Lookup, parseTarget, resolveTarget } from './resolve.ts'

test('parseTarget', async (t) => {
  const cases = [
    {
      text: 'localhost.:8086',
      target: { host: 'localhost.', port: 8086, isLoopback: true, authority: 'localhost:8086' },
    },
    { text: 'localhost:8086', target: { isLoopback: false, authority: 'localhost:8086' } },
    { text: '127.0.0.1:8086', target: { isLoopback: true, authority: '127.0.0.1:8086' } },
    { text: '[::1]:8086', target: { host: '::1', isLoopback: true, authority: '[::1]:8086' } },
    { text: '10.0.0.1:80', target: { isLoopback: false, authority: '10.0.0.1' } },
    {
      text: 'linkerd-policy.linkerd.svc.cluster.local.:8090',
      target: {
        host: 'linkerd-policy.linkerd.svc.cluster.local.',
        isLoopback: false,
        authority: 'linkerd-policy.linkerd.svc.cluster.local:8090',
      },
    },
    { text: 'name', target: undefined },
    { text: 'name:', target: undefined },
    { text: 'name:0', target: undefined },
    { text: 'name:65536', target: undefined },
    { text: ':80', target: undefined },
    { text: '::1:80', target: undefined },
    { text: '[name]:80', target: undefined },
    { text: 'a b:80', target: undefined },
    { text: 'http://name:80', target: undefined },
  ]
  for (const { text, target } of cases) {
    if (target === undefined) t.equal(parseTarget(text), undefined, text)
    else t.match(parseTarget(text), target, text)
  }
})

test('resolveTarget', async (t) => {
  const missing = () => Promise.reject(Object.assign(new Error('queryA ENOTFOUND'), { code: 'ENOTFOUND' }))
  const nothing: Lookup = { srv: missing, a: missing, aaaa: missing, system: missing }
  const name = 'linkerd-dst-headless.linkerd.svc.cluster.local.'
  const srv =
    (...records: [string, number][]) =>
    async () =>
      records.map(([label, port]) => ({ name: `${label}.${name}`, port }))
  const cases: {
    name: string
    text: string
    lookup?: Partial<Lookup>
    addresses?: string[]
    resolutions?: string[]
    error?: RegExp
  }[] = [
    { name: 'localhost. asks nobody', text: 'localhost.:8086', addresses: ['127.0.0.1 8086'], resolutions: [] },
    { name: 'an address asks nobody', text: '[fd00::1]:8086', addresses: ['fd00::1 8086'], resolutions: [] },
    {
      name: 'SRV names replicas and port',
      text: `${name}:8086`,
      lookup: { srv: srv(['10-1-2-3', 9000], ['fd00--1', 9000]) },
      addresses: ['10.1.2.3 9000', 'fd00::1 9000'],
      resolutions: ['SRV ok'],
    },
    {
      name: 'of several ports ours is meant',
      text: `${name}:8086`,
      lookup: { srv: srv(['10-1-2-3', 9990], ['10-1-2-3', 8086], ['10-1-2-4', 8086]) },
      addresses: ['10.1.2.3 8086', '10.1.2.4 8086'],
      resolutions: ['SRV ok'],
    },
    {
      name: 'SRV targets without an address in them: A',
      text: `${name}:8086`,
      lookup: { srv: srv(['replica-0', 8086]), a: async () => ['10.0.0.9'] },
      addresses: ['10.0.0.9 8086'],
      resolutions: ['SRV not_found', 'A/AAAA ok'],
    },
    {
      name: 'SRV targets that are no address to dial: A',
      text: `${name}:8086`,
      lookup: { srv: srv(['fe80--1%eth0', 8086], ['10-1-2-3', 0]), a: async () => ['10.0.0.9'] },
      addresses: ['10.0.0.9 8086'],
      resolutions: ['SRV not_found', 'A/AAAA ok'],
    },
    {
      name: 'no SRV: A',
      text: `${name}:8086`,
      lookup: { a: async () => ['10.0.0.9', '10.0.0.8'] },
      addresses: ['10.0.0.9 8086', '10.0.0.8 8086'],
      resolutions: ['SRV not_found', 'A/AAAA ok'],
    },
    {
      name: 'no A: AAAA',
      text: `${name}:8086`,
      lookup: { aaaa: async () => ['fd00::9'] },
      addresses: ['fd00::9 8086'],
      resolutions: ['SRV not_found', 'A/AAAA ok'],
    },
    {
      name: 'at last what the system knows',
      text: 'control.test:8086',
      lookup: { system: async () => ['10.0.0.7'] },
      addresses: ['10.0.0.7 8086'],
      resolutions: ['SRV not_found', 'A/AAAA ok'],
    },
    {
      name: 'nothing',
      text: `${name}:8086`,
      error:
        /does not resolve \(SRV ENOTFOUND, A ENOTFOUND, AAAA ENOTFOUND, \/etc\/hosts ENOTFOUND\); is the control plane installed/,
      resolutions: ['SRV not_found', 'A/AAAA not_found'],
    },
    {
      name: 'an answer that is no address',
      text: `${name}:8086`,
      lookup: { a: async () => ['elsewhere'] },
      error: /A without addresses/,
    },
  ]
  for (const { name, text, lookup, addresses, resolutions, error } of cases) {
    const heard: string[] = []
    const answer = resolveTarget(parseTarget(text)!, { ...nothing, ...lookup }, (type, result) =>
      heard.push(`${type} ${result}`),
    )
    if (error === undefined)
      t.same(
        (await answer).map(({ ip, port }) => `${ip} ${port}`),
        addresses,
        name,
      )
    else await t.rejects(answer, { message: error }, name)
    if (resolutions !== undefined) t.same(heard, resolutions, name)
  }
  const many = Array.from({ length: 300 }, (_, index) => `10.0.${index >> 8}.${index & 255}`)
  t.equal(
    (await resolveTarget(parseTarget(`${name}:1`)!, { ...nothing, a: async () => many })).length,
    64,
    'a bound on what is kept',
  )
})
