import { test } from 'tap'
import { renderIptables, renderIptablesRemoval } from './iptables.ts'
import { renderNft } from './nft.ts'
import { type RedirectConfig, redirectRules } from './redirect-rules.ts'

const CONFIG: RedirectConfig = {
  inboundPort: 4143,
  outboundPort: 4140,
  proxyUid: 2102,
  inboundPortsToIgnore: ports(4190, 4191, 4567, 4568),
  outboundPortsToIgnore: ports(4567, 4568),
  subnetsToIgnore: [],
  ipv6: true,
}

test('renderNft', async (t) => {
  t.equal(
    renderNft({ ...CONFIG, proxyGid: 2102, subnetsToIgnore: ['10.0.0.0/8', 'fd00::/8'] }),
    `add table inet weft
delete table inet weft
table inet weft {
  chain inbound {
    type nat hook prerouting priority -100; policy accept;
    tcp dport { 4190,4191,4567,4568 } return comment "proxy-init/ignore-port-4190,4191,4567,4568"
    ip saddr 10.0.0.0/8 return comment "proxy-init/ignore-subnet-10.0.0.0/8"
    ip6 saddr fd00::/8 return comment "proxy-init/ignore-subnet-fd00::/8"
    meta l4proto tcp redirect to :4143 comment "proxy-init/redirect-all-incoming-to-proxy-port"
  }
  chain outbound {
    type nat hook output priority -100; policy accept;
    meta skuid 2102 return comment "proxy-init/ignore-proxy-user-id"
    meta skgid 2102 return comment "proxy-init/ignore-proxy-group-id"
    oifname "lo" return comment "proxy-init/ignore-loopback"
    tcp dport { 4567,4568 } return comment "proxy-init/ignore-port-4567,4568"
    meta l4proto tcp redirect to :4140 comment "proxy-init/redirect-all-outgoing-to-proxy-port"
  }
}
`,
  )
  t.match(
    renderNft({ ...CONFIG, ipv6: false }),
    /meta nfproto ipv6 return/,
    'without IPv6 the other family returns at once',
  )
})

test('renderIptables', async (t) => {
  const { ipv4, ipv6 } = renderIptables({ ...CONFIG, subnetsToIgnore: ['10.0.0.0/8', 'fd00::/8'] })
  t.equal(
    ipv4,
    `*nat
:PROXY_INIT_REDIRECT - [0:0]
:PROXY_INIT_OUTPUT - [0:0]
-A PROXY_INIT_REDIRECT -p tcp -m multiport --dports 4190,4191,4567,4568 -m comment --comment proxy-init/ignore-port-4190,4191,4567,4568 -j RETURN
-A PROXY_INIT_REDIRECT -s 10.0.0.0/8 -m comment --comment proxy-init/ignore-subnet-10.0.0.0/8 -j RETURN
-A PROXY_INIT_REDIRECT -p tcp -m comment --comment proxy-init/redirect-all-incoming-to-proxy-port -j REDIRECT --to-ports 4143
-A PROXY_INIT_OUTPUT -m owner --uid-owner 2102 -m comment --comment proxy-init/ignore-proxy-user-id -j RETURN
-A PROXY_INIT_OUTPUT -o lo -m comment --comment proxy-init/ignore-loopback -j RETURN
-A PROXY_INIT_OUTPUT -p tcp -m multiport --dports 4567,4568 -m comment --comment proxy-init/ignore-port-4567,4568 -j RETURN
-A PROXY_INIT_OUTPUT -p tcp -m comment --comment proxy-init/redirect-all-outgoing-to-proxy-port -j REDIRECT --to-ports 4140
-A PREROUTING -m comment --comment proxy-init/install-proxy-init-prerouting -j PROXY_INIT_REDIRECT
-A OUTPUT -m comment --comment proxy-init/install-proxy-init-output -j PROXY_INIT_OUTPUT
COMMIT
`,
  )
  t.match(ipv6, /-s fd00::\/8/, 'each family has its own subnets')
  t.notMatch(ipv6, /10\.0\.0\.0/)
  t.equal(renderIptables({ ...CONFIG, ipv6: false }).ipv6, undefined)

  const saved = `*nat
:PROXY_INIT_OUTPUT - [0:0]
-A PREROUTING -j SOMEONE_ELSE
-A OUTPUT -m comment --comment "proxy-init/install-proxy-init-output" -j PROXY_INIT_OUTPUT
-A PROXY_INIT_OUTPUT -o lo -j RETURN
COMMIT
`
  t.match(
    renderIptables(CONFIG, { ipv4: saved }).ipv4,
    '-D OUTPUT -m comment --comment "proxy-init/install-proxy-init-output" -j PROXY_INIT_OUTPUT\n',
    'a jump that is there is replaced',
  )
  t.equal(
    renderIptablesRemoval(saved),
    `*nat
:PROXY_INIT_OUTPUT - [0:0]
-D OUTPUT -m comment --comment "proxy-init/install-proxy-init-output" -j PROXY_INIT_OUTPUT
-X PROXY_INIT_OUTPUT
COMMIT
`,
    'removal takes only what is there',
  )
  t.equal(renderIptablesRemoval('*nat\nCOMMIT\n'), undefined, 'nothing to remove')
})

test('redirectRules', async (t) => {
  const names = (config: Partial<RedirectConfig>, direction: 'inbound' | 'outbound') =>
    redirectRules({ ...CONFIG, ...config })[direction].map(({ name }) => name)

  t.same(
    names({ proxyUid: 0, proxyGid: 0, outboundPortsToIgnore: [] }, 'outbound'),
    ['ignore-loopback', 'redirect-all-outgoing-to-proxy-port'],
    'root is never exempt',
  )
  t.same(
    names({ inboundPortsToIgnore: ports(...Array.from({ length: 16 }, (_, at) => 100 + 2 * at)) }, 'inbound'),
    [
      'ignore-port-100,102,104,106,108,110,112,114,116,118,120,122,124,126,128',
      'ignore-port-130',
      'redirect-all-incoming-to-proxy-port',
    ],
    'fifteen ports to a rule',
  )
  t.same(
    names(
      { inboundPortsToIgnore: Array.from({ length: 8 }, (_, at) => ({ first: at * 10 + 1, last: at * 10 + 5 })) },
      'inbound',
    ),
    ['ignore-port-1-5,11-15,21-25,31-35,41-45,51-55,61-65', 'ignore-port-71-75', 'redirect-all-incoming-to-proxy-port'],
    'a range fills two of the fifteen slots',
  )
  t.same(
    names({ inboundPortsToIgnore: [...ports(4567), { first: 4560, last: 4570 }, ...ports(25, 25)] }, 'inbound')[0],
    'ignore-port-25,4560-4570',
    'overlaps become one',
  )
  t.same(
    names({ portsToRedirect: [...ports(80), { first: 8000, last: 8010 }], inboundPortsToIgnore: [] }, 'inbound'),
    ['redirect-port-80-to-proxy-port', 'redirect-port-8000-8010-to-proxy-port'],
    'an explicit list leaves all others alone',
  )
})

function ports(...list: number[]) {
  return list.map((port) => ({ first: port, last: port }))
}
