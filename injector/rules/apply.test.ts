import { test } from 'tap'
import { applyRules, RedirectError, removeRules, showRules } from './apply.ts'
import type { Firewall } from './firewall.ts'
import type { RedirectConfig } from './redirect-rules.ts'
import { type Run, runInNamespace, runProgram } from './run.ts'
import { Namespaces, OUTSIDE, type Peer, POD, whyNoNamespaces } from './testing/namespaces.ts'

const APP_UID = 1000
const PROXY_UID = 2102

const CONFIG: RedirectConfig = {
  inboundPort: 4143,
  outboundPort: 4140,
  proxyUid: PROXY_UID,
  inboundPortsToIgnore: [4190, 4191, 4567].map((port) => ({ first: port, last: port })),
  outboundPortsToIgnore: [
    { first: 4567, last: 4567 },
    { first: 4560, last: 4570 },
  ],
  subnetsToIgnore: [],
  ipv6: true,
}

const POD_LISTENERS = [
  { name: 'outbound', host: '127.0.0.1', port: 4140 },
  { name: 'outbound', host: '::1', port: 4140 },
  { name: 'inbound', host: '::', port: 4143 },
  { name: 'control', host: '::', port: 4190 },
  { name: 'admin', host: '::', port: 4191 },
  { name: 'skipped', host: '::', port: 4567 },
  { name: 'app', host: '::', port: 8080 },
]
const OUTSIDE_LISTENERS = [
  { name: 'outside', host: '::', port: 80 },
  { name: 'outside-skipped', host: '::', port: 4567 },
]

const skip = whyNoNamespaces() ?? false

test('the rules in real namespaces', { skip }, async (t) => {
  const namespaces = new Namespaces(`r${process.pid}`)
  t.teardown(() => namespaces.remove())
  const run = runInNamespace(namespaces.pod)
  const [app, proxy, outside] = (await Promise.all([
    namespaces.start(namespaces.pod, { listeners: POD_LISTENERS, uid: APP_UID }),
    namespaces.start(namespaces.pod, { listeners: [], uid: PROXY_UID }),
    namespaces.start(namespaces.outside, { listeners: OUTSIDE_LISTENERS }),
  ])) as [Peer, Peer, Peer]

  for (const which of ['nft', 'iptables-nft', 'iptables-legacy'] as const) {
    await t.test(which, async (t) => {
      await applyRules(CONFIG, { run, which }).then(({ firewall }) => t.equal(firewall, which))

      const cases = [
        {
          name: 'an app dialling outside goes to the outbound proxy',
          by: app,
          to: OUTSIDE,
          port: 80,
          gets: 'outbound',
        },
        { name: 'also where nobody listens', by: app, to: OUTSIDE, port: 9999, gets: 'outbound' },
        {
          name: 'also to a service IP',
          by: app,
          to: { ipv4: '10.96.0.10', ipv6: 'fd96::10' },
          port: 80,
          gets: 'outbound',
        },
        { name: 'a skipped port goes out for real', by: app, to: OUTSIDE, port: 4567, gets: 'outside-skipped' },
        { name: 'the proxy itself goes out for real', by: proxy, to: OUTSIDE, port: 80, gets: 'outside' },
        { name: 'loopback bypasses', by: app, to: { ipv4: '127.0.0.1', ipv6: '::1' }, port: 8080, gets: 'app' },
        { name: "the pod's own address bypasses", by: app, to: POD, port: 8080, gets: 'app' },
        { name: 'the proxy reaches its app', by: proxy, to: POD, port: 8080, gets: 'app' },
        {
          name: 'from outside an app port goes to the inbound proxy',
          by: outside,
          to: POD,
          port: 8080,
          gets: 'inbound',
        },
        { name: 'also where nobody listens, from outside', by: outside, to: POD, port: 9999, gets: 'inbound' },
        { name: 'the admin port stays', by: outside, to: POD, port: 4191, gets: 'admin' },
        { name: 'the control port stays', by: outside, to: POD, port: 4190, gets: 'control' },
        { name: 'a skipped inbound port stays', by: outside, to: POD, port: 4567, gets: 'skipped' },
      ]
      for (const { name, by, to, port, gets } of cases) {
        // No rules outside, so the kernel there tracks no connections and knows no original destination.
        const [at4, at6] = gets.startsWith('outside')
          ? ['untracked', 'untracked']
          : [`${to.ipv4}:${port}`, `[${to.ipv6}]:${port}`]
        t.equal(await by.dial(to.ipv4, port), `${gets} ${at4}`, `${name}, original destination known`)
        t.equal(await by.dial(to.ipv6, port), `${gets} ${at6}`, `${name}, IPv6`)
      }

      const once = await ruleset(run)
      await applyRules(CONFIG, { run, which })
      t.equal(await ruleset(run), once, 'applied twice, the ruleset is the same')
      t.same(
        (await showRules({ run })).map(({ firewall }) => firewall),
        [which],
        'one firewall holds rules',
      )

      await applyRules({ ...CONFIG, ipv6: false }, { run, which })
      t.match(await app.dial(OUTSIDE.ipv4, 80), /^outbound/, 'without IPv6, IPv4 is redirected')
      t.match(await app.dial(OUTSIDE.ipv6, 80), /^outside/, 'and IPv6 is left alone')

      await applyRules({ ...CONFIG, subnetsToIgnore: [`${OUTSIDE.ipv4}/32`, `${OUTSIDE.ipv6}/128`] }, { run, which })
      t.match(await outside.dial(POD.ipv4, 8080), /^app/, 'a skipped subnet reaches the app')
      t.match(await outside.dial(POD.ipv6, 8080), /^app/, 'a skipped IPv6 subnet reaches the app')
      t.match(await app.dial(OUTSIDE.ipv4, 80), /^outbound/, 'subnets do not matter outbound')

      await applyRules({ ...CONFIG, portsToRedirect: [{ first: 8080, last: 8090 }] }, { run, which })
      t.match(await outside.dial(POD.ipv4, 8080), /^inbound/, 'a listed port is redirected')
      t.equal(await outside.dial(POD.ipv4, 9999), 'ECONNREFUSED', 'one that is not listed is left alone')

      await removeRules({ run })
      t.notMatch(await ruleset(run), /PROXY_INIT|weft|proxy-init/, 'removed, nothing of ours is left')
      t.match(await app.dial(OUTSIDE.ipv4, 80), /^outside/, 'and connections go out for real')
      await removeRules({ run })
    })
  }

  await t.test('another firewall takes over', async (t) => {
    await applyRules(CONFIG, { run, which: 'iptables-legacy' })
    await applyRules(CONFIG, { run, which: 'iptables-nft' })
    await applyRules(CONFIG, { run, which: 'nft' })
    t.same(
      (await showRules({ run })).map(({ firewall }) => firewall),
      ['nft'],
      'and the others hold nothing',
    )
  })

  await t.test('where nft is missing', async (t) => {
    const applied = await applyRules(CONFIG, { run: without(['nft'], run) })
    t.same(applied, { firewall: 'iptables-nft', failures: ['nft: not found'] })
  })

  await t.test('half a redirect is taken back', async (t) => {
    await removeRules({ run })
    const failing: Run = async (command, args, input) =>
      command === 'ip6tables-nft-restore'
        ? { code: 1, stdout: '', stderr: 'Permission denied' }
        : without(['nft', 'iptables-save', 'iptables-legacy-save'], run)(command, args, input)
    await t.rejects(applyRules(CONFIG, { run: failing }), { message: /iptables-nft: Permission denied/ })
    t.notMatch(await ruleset(run), /PROXY_INIT/, 'no IPv4 rules without the IPv6 ones')
  })
})

test('weft redirect verify, in a namespace', { skip }, async (t) => {
  const namespaces = new Namespaces(`v${process.pid}`)
  t.teardown(() => namespaces.remove())
  const run = runInNamespace(namespaces.pod)
  const script = `
    import { verifyRedirect } from '${new URL('./verify.ts', import.meta.url).pathname}'
    const connect = { ip: '${OUTSIDE.ipv4}', port: 20001 }
    console.log(await verifyRedirect({ connect, listen: { ip: '0.0.0.0', port: 4140 }, timeoutMs: 5_000 }) ?? 'works')`
  const verify = async () =>
    (await run(process.execPath, ['--input-type=module-typescript', '--eval', script])).stdout.trim()
  t.match(await verify(), /did not come back to 0.0.0.0:4140 \(connect ECONNREFUSED/, 'without rules it fails')
  await applyRules(CONFIG, { run })
  t.equal(await verify(), 'works', 'with rules it works')
})

test('a machine without any firewall says what was tried', async (t) => {
  const error = await applyRules(CONFIG, { run: async (command) => missing(command) }).catch((error: unknown) => error)
  t.type(error, RedirectError)
  t.equal(
    (error as Error).message,
    'redirect: no firewall took the rules, nothing is redirected (nft: not found; iptables-nft-save: not found; iptables-save: not found; iptables-legacy-save: not found); install nftables or iptables and run with CAP_NET_ADMIN',
  )
})

test('runProgram', async (t) => {
  t.same(await runProgram('cat', [], 'text'), { code: 0, stdout: 'text', stderr: '' })
  t.same(await runProgram('weft-no-such-program', []), missing('weft-no-such-program'))
})

function missing(command: string) {
  return { code: 127, stdout: '', stderr: `${command}: not found` }
}

function without(programs: readonly (Firewall | string)[], run: Run): Run {
  return async (command, args, input) => (programs.includes(command) ? missing(command) : run(command, args, input))
}

/** Every rule of the namespace, without counters and the times in comments. */
async function ruleset(run: Run): Promise<string> {
  const parts = []
  for (const [command, ...args] of [
    ['nft', '-s', 'list', 'ruleset'],
    ['iptables-legacy-save'],
    ['ip6tables-legacy-save'],
  ] as const) {
    parts.push((await run(command!, args)).stdout)
  }
  return parts.join('').replace(/^#.*$|\[\d+:\d+\]|packets \d+ bytes \d+/gm, '')
}
