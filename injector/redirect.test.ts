import { PassThrough } from 'node:stream'
import { parseArgs } from 'node:util'
import { test } from 'tap'
import { redirectCommand } from './redirect.ts'
import type { Run } from './rules/run.ts'

test('weft redirect', async (t) => {
  const loads = { nft: 'redirect to :4143' }
  const cases = [
    {
      name: 'apply says in one line what it did',
      args: 'apply',
      stdout: 'redirect: inbound TCP goes to port 4143, outbound to 4140, IPv4 and IPv6, by nft\n',
      loads,
    },
    {
      name: 'the arguments that the injector writes',
      args: 'apply --ipv6=false --incoming-proxy-port 5143 --outgoing-proxy-port 5140 --proxy-uid 2102 --inbound-ports-to-ignore 4190,4191,25-30 --outbound-ports-to-ignore 443',
      stdout: 'redirect: inbound TCP goes to port 5143, outbound to 5140, IPv4, by nft\n',
      loads: { nft: 'tcp dport { 25-30,4190,4191 } return' },
    },
    {
      name: 'as JSON',
      args: 'remove --log-format json',
      stdout: '{"level":"info","message":"redirect: no rules are left"}\n',
    },
    {
      name: 'a path names its program',
      args: 'apply --firewall-bin-path /usr/sbin/nft --simulate',
      stdoutHas: 'table inet weft {',
    },
    {
      name: 'simulate prints what would be loaded',
      args: 'apply --iptables-mode legacy --simulate',
      stdoutHas: '*nat\n',
    },
    {
      name: 'no action',
      args: '',
      code: 64,
      stderr: 'redirect: the action is missing; give apply, remove, show, verify\n',
    },
    {
      name: 'a wrong action',
      args: 'aply',
      code: 64,
      stderr: 'redirect: "aply" is no action; give apply, remove, show, verify\n',
    },
    {
      name: 'a verification without an address',
      args: 'verify --connect-addr localhost:1 --timeout soon',
      code: 64,
      stderr: `redirect: --connect-addr is "localhost:1"; give an address such as 0.0.0.0:4140 or [::]:4140
redirect: --timeout is "soon"; give a duration such as 10s
`,
    },
    {
      name: 'a verification where nothing is redirected',
      args: 'verify --connect-addr 127.0.0.1:1 --listen-addr 127.0.0.1:0',
      code: 95,
      stderr:
        'redirect: a connection to 127.0.0.1:1 did not come back to 127.0.0.1:0 (connect ECONNREFUSED 127.0.0.1:1); is the CNI plugin installed on this node?\n',
    },
    {
      name: 'too many arguments',
      args: 'apply now please',
      code: 64,
      stderr: 'redirect: "now please" is one argument too many; give one action\n',
    },
    {
      name: 'a port that is none',
      args: 'apply --incoming-proxy-port 70000',
      code: 64,
      stderr: 'redirect: --incoming-proxy-port is "70000"; give a whole number from 1 to 65535\n',
    },
    {
      name: 'every wrong argument in one round',
      args: 'apply --proxy-uid nobody --inbound-ports-to-ignore 80,http,9-8 --subnets-to-ignore 10.0.0.0/33 --ipv6 yes --log-level loud --firewall-bin-path ufw',
      code: 64,
      stderr: `redirect: --proxy-uid is "nobody"; give a whole number from 0 to 2147483647
redirect: --inbound-ports-to-ignore is "http,9-8"; give a list of ports and ranges such as 25,4567-4568
redirect: --subnets-to-ignore is "10.0.0.0/33"; give a list of networks such as 10.0.0.0/8,fd00::/8
redirect: --ipv6 is "yes"; give one of true, false
redirect: --firewall-bin-path is "ufw"; give one of nft, iptables-nft, iptables, iptables-legacy
redirect: --log-level is "loud"; give one of trace, debug, info, warn, warning, error, fatal, panic
`,
    },
  ]
  for (const { name, args, code = 0, stdout, stdoutHas, stderr = '', loads } of cases) {
    await t.test(name, async (t) => {
      const loaded: string[] = []
      const run: Run = async (command, args, input) => {
        if (command === 'nft' && args[0] === '-f') loaded.push(input!)
        return { code: args[0] === 'list' ? 1 : 0, stdout: '', stderr: '' }
      }
      const command = redirectCommand(run)
      const { values, positionals } = parseArgs({
        args: args.split(' ').filter((arg) => arg !== ''),
        options: command.options,
        allowPositionals: true,
      })
      const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() }
      t.equal(await command.run({ values, positionals, ...streams }), code, 'exit code')
      const said = textIn(streams.stdout)
      if (stdoutHas === undefined) t.equal(said, stdout ?? '', 'standard output')
      else t.ok(said.includes(stdoutHas), said)
      t.equal(textIn(streams.stderr), stderr, 'standard error')
      if (loads !== undefined) t.ok(loaded.join('').includes(loads.nft), loaded.join(''))
      else t.same(loaded, [], 'nothing is loaded')
    })
  }

  await t.test('a machine without firewall fails loudly', async (t) => {
    const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() }
    const command = redirectCommand(async (command) => ({ code: 127, stdout: '', stderr: `${command}: not found` }))
    t.equal(await command.run({ values: {}, positionals: ['apply'], ...streams }), 1)
    t.match(
      textIn(streams.stderr),
      /^redirect: no firewall took the rules, nothing is redirected \(nft: not found; .*\n$/,
    )
  })
})

function textIn(stream: PassThrough): string {
  let text = ''
  for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) text += String(chunk)
  return text
}
