import { test } from 'tap'
import { type Machine, prepareTools } from './preflight.ts'
import type { FoundTools, Tools } from './tools.ts'

const tools = { ip: '/sbin/ip', nft: '/sbin/nft' } as Tools
const missing: FoundTools = { kind: 'missing', programs: ['ip', 'nft or iptables'], packages: ['iproute2', 'nftables'] }

function machine(
  given: Partial<Machine> & { readonly finds: readonly FoundTools[] },
): Machine & { readonly installed: string[] } {
  const finds = [...given.finds]
  const installed: string[] = []
  return {
    isRoot: true,
    hasApt: true,
    find: () => finds.shift() ?? missing,
    install: async (packages) => {
      installed.push(...packages)
      return undefined
    },
    ...given,
    installed,
  }
}

test('prepareTools', async (t) => {
  const said: string[] = []
  const say = (sentence: string) => void said.push(sentence)

  t.equal(await prepareTools(machine({ finds: [{ kind: 'complete', tools }] }), say), tools, 'everything is there')
  t.same(said, [])

  const debian = machine({ finds: [missing, { kind: 'complete', tools }] })
  t.equal(await prepareTools(debian, say), tools, 'root on Debian: installed')
  t.same(debian.installed, ['iproute2', 'nftables'])
  t.same(
    said,
    ['ip, nft or iptables are missing on this machine; installing iproute2, nftables with apt-get'],
    'after saying so',
  )

  t.equal(
    await prepareTools(machine({ finds: [missing], isRoot: false }), say),
    'ip, nft or iptables are missing on this machine; install iproute2, nftables (as root: apt-get install iproute2 nftables)',
    'an ordinary user is told',
  )
  t.equal(
    await prepareTools(machine({ finds: [missing], hasApt: false }), say),
    'ip, nft or iptables are missing on this machine; install iproute2, nftables',
    'elsewhere the packages are named',
  )
  t.equal(
    await prepareTools(machine({ finds: [missing, missing], install: async () => 'no network' }), say),
    'ip, nft or iptables are missing on this machine, and apt-get install iproute2 nftables failed: no network',
  )
})
