/**
 * `weft redirect`: what the init container of an injected pod runs. It puts the redirect rules into the network
 * namespace it is in, takes them away, shows them, or proves with a connection that they work.
 */
import { writeFile } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { EXIT_BAD_CONFIGURATION } from '../api/vocabulary.ts'
import type { Command, CommandValues } from '../cli/command.ts'
import { REDIRECT_OPTIONS, type RedirectArguments, readRedirectArguments } from './redirect-arguments.ts'
import { applyRules, RedirectError, type RulesOptions, removeRules, showRules } from './rules/apply.ts'
import { FIREWALLS, firewallProgram } from './rules/firewall.ts'
import { type Run, runProgram } from './rules/run.ts'
import { verifyRedirect } from './rules/verify.ts'

const CLOSE_WAIT_SYSCTL = '/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait'

/** The CNI plugin's repair looks for it: such a pod started before the plugin was there. */
const EXIT_NOT_REDIRECTED = 95

/** One line of output; `--log-format` says how it looks. */
type Say = (stream: Writable, message: string) => void

export const redirect: Command = redirectCommand(runProgram)

/** The command over a runner of programs: tests hand in one that enters a namespace, or that knows no nft. */
export function redirectCommand(run: Run): Command {
  return {
    name: 'redirect',
    summary: "Send the TCP connections of this network namespace through the proxy's ports",
    usage: 'redirect apply | remove | show | verify [--incoming-proxy-port PORT] [--inbound-ports-to-ignore PORTS] …',
    options: REDIRECT_OPTIONS,
    async run({ values, positionals, stdout, stderr }) {
      const say = sayAs(values)
      const [action, ...rest] = positionals
      const read = readRedirectArguments(values)
      const problems = 'problems' in read ? [...read.problems] : []
      if (action === undefined || !isAction(action)) {
        problems.unshift(
          `redirect: ${action === undefined ? 'the action is missing' : `"${action}" is no action`}; give ${ACTIONS.join(', ')}`,
        )
      }
      if (rest.length > 0) problems.unshift(`redirect: "${rest.join(' ')}" is one argument too many; give one action`)
      if ('problems' in read || problems.length > 0) {
        for (const problem of problems) say(stderr, problem)
        return EXIT_BAD_CONFIGURATION
      }
      try {
        if (action === 'verify') return await verify(read, stdout, stderr, say)
        await perform(action as Exclude<Action, 'verify'>, read, run, stdout, say)
        return 0
      } catch (error) {
        if (!(error instanceof RedirectError)) throw error
        say(stderr, error.message)
        return 1
      }
    },
  }
}

const ACTIONS = ['apply', 'remove', 'show', 'verify'] as const
type Action = (typeof ACTIONS)[number]

function isAction(text: string): text is Action {
  return ACTIONS.some((action) => action === text)
}

async function verify({ verify }: RedirectArguments, stdout: Writable, stderr: Writable, say: Say): Promise<number> {
  const failure = await verifyRedirect(verify)
  if (failure === undefined) {
    say(stdout, 'redirect: outbound connections reach the proxy')
    return 0
  }
  say(stderr, `redirect: ${failure}; is the CNI plugin installed on this node?`)
  return EXIT_NOT_REDIRECTED
}

async function perform(
  action: Exclude<Action, 'verify'>,
  read: RedirectArguments,
  run: Run,
  stdout: Writable,
  say: Say,
): Promise<void> {
  const options: RulesOptions = { run, ...(read.which === undefined ? {} : { which: read.which }) }
  switch (action) {
    case 'apply': {
      if (read.isSimulated) {
        stdout.write(firewallProgram(read.which ?? FIREWALLS[0]).render(read.config))
        return
      }
      if (read.closeWaitTimeoutSecs > 0) await setCloseWaitTimeout(read.closeWaitTimeoutSecs)
      const { firewall, failures } = await applyRules(read.config, options)
      say(stdout, applied(read, firewall, failures))
      return
    }
    case 'remove':
      await removeRules(options)
      say(stdout, 'redirect: no rules are left')
      return
    case 'show':
      for (const { text } of await showRules(options)) stdout.write(text)
  }
}

function applied({ config }: RedirectArguments, firewall: string, failures: readonly string[]): string {
  const families = config.ipv6 ? 'IPv4 and IPv6' : 'IPv4'
  const tried = failures.length === 0 ? '' : ` (tried before: ${failures.join('; ')})`
  return `redirect: inbound TCP goes to port ${config.inboundPort}, outbound to ${config.outboundPort}, ${families}, by ${firewall}${tried}`
}

async function setCloseWaitTimeout(seconds: number): Promise<void> {
  try {
    await writeFile(CLOSE_WAIT_SYSCTL, String(seconds))
  } catch (error) {
    throw new RedirectError(
      `redirect: ${CLOSE_WAIT_SYSCTL} cannot be set to ${seconds} (${(error as Error).message}); the close-wait timeout needs a privileged init container that runs as root`,
    )
  }
}

function sayAs(values: CommandValues): Say {
  if (values['log-format'] !== 'json') return (stream, message) => void stream.write(`${message}\n`)
  return (stream, message) => void stream.write(`${JSON.stringify({ level: 'info', message })}\n`)
}
