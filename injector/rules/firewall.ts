/**
 * The programs that can hold the redirect rules, behind one small interface each: load, remove, show.
 *
 * nft is one program for both IP families; every iptables flavour is four (`iptables-nft-save`,
 * `ip6tables-nft-restore`, …).
 */
import { INBOUND_CHAIN, OUTBOUND_CHAIN, renderIptables, renderIptablesRemoval } from './iptables.ts'
import { NFT_TABLE, renderNft, renderNftRemoval } from './nft.ts'
import type { IpFamily, RedirectConfig } from './redirect-rules.ts'
import type { Run, RunResult } from './run.ts'

export const FIREWALLS = ['nft', 'iptables-nft', 'iptables', 'iptables-legacy'] as const
export type Firewall = (typeof FIREWALLS)[number]

/** `undefined` when it worked, else what went wrong in a few words. */
type Failure = string | undefined

export interface FirewallProgram {
  /** What `load` would feed to the program. */
  render(config: RedirectConfig): string
  /** Puts the rules in place of those we loaded before. All of it or, after a failure, nothing. */
  load(config: RedirectConfig, run: Run): Promise<Failure>
  /** Takes our rules away where there are some. */
  remove(run: Run): Promise<Failure>
  /** Our rules as the kernel has them; empty when there are none or the program is missing. */
  show(run: Run): Promise<string>
}

export function firewallProgram(firewall: Firewall): FirewallProgram {
  return firewall === 'nft' ? nft : iptables(firewall.slice('iptables'.length))
}

const nft: FirewallProgram = {
  render: renderNft,
  async load(config, run) {
    return failureOf(await run('nft', ['-f', '-'], renderNft(config)))
  },
  async remove(run) {
    return failureOf(await run('nft', ['-f', '-'], renderNftRemoval()))
  },
  async show(run) {
    const { code, stdout } = await run('nft', ['list', 'table', ...NFT_TABLE.split(' ')])
    return code === 0 ? stdout : ''
  },
}

const FAMILIES: readonly IpFamily[] = ['ipv4', 'ipv6']
const BINARY = { ipv4: 'iptables', ipv6: 'ip6tables' } as const

/** Another iptables may hold the lock for a moment. */
const LOCK_WAIT_SECONDS = '10'

/** @param flavour `-nft`, `-legacy` or nothing for the system's own choice */
function iptables(flavour: string): FirewallProgram {
  const save = async (family: IpFamily, run: Run): Promise<RunResult> =>
    run(`${BINARY[family]}${flavour}-save`, ['-t', 'nat'])
  const restore = async (family: IpFamily, text: string, run: Run): Promise<Failure> =>
    failureOf(await run(`${BINARY[family]}${flavour}-restore`, ['--noflush', '--wait', LOCK_WAIT_SECONDS], text))

  async function removeFamily(family: IpFamily, run: Run): Promise<Failure> {
    const saved = await save(family, run)
    if (saved.code !== 0) return failureOf(saved)
    const removal = renderIptablesRemoval(saved.stdout)
    return removal === undefined ? undefined : restore(family, removal, run)
  }

  return {
    render(config) {
      const { ipv4, ipv6 } = renderIptables(config)
      return ipv6 === undefined ? ipv4 : `# iptables\n${ipv4}# ip6tables\n${ipv6}`
    },

    async load(config, run) {
      for (const family of FAMILIES) {
        if (family === 'ipv6' && !config.ipv6) {
          // Left from a time when IPv6 was on. Without ip6tables there can be none.
          await removeFamily('ipv6', run)
          continue
        }
        const saved = await save(family, run)
        const failure =
          saved.code === 0
            ? await restore(family, renderIptables(config, { [family]: saved.stdout })[family]!, run)
            : failureOf(saved)
        if (failure === undefined) continue
        // Half a redirect (IPv4 meshed, IPv6 open) would look like success; take back what was loaded.
        for (const loaded of FAMILIES.slice(0, FAMILIES.indexOf(family))) await removeFamily(loaded, run)
        return failure
      }
    },

    async remove(run) {
      const failures = [await removeFamily('ipv4', run), await removeFamily('ipv6', run)]
      return failures.find((failure) => failure !== undefined)
    },

    async show(run) {
      let text = ''
      for (const family of FAMILIES) {
        const { code, stdout } = await save(family, run)
        const ours = stdout.split('\n').filter((line) => line.includes(INBOUND_CHAIN) || line.includes(OUTBOUND_CHAIN))
        if (code === 0 && ours.length > 0) text += `# ${BINARY[family]}${flavour}\n${ours.join('\n')}\n`
      }
      return text
    },
  }
}

function failureOf({ code, stderr }: RunResult): Failure {
  if (code === 0) return undefined
  const firstLine = stderr.split('\n').find((line) => line.trim() !== '' && !line.startsWith('# Warning'))
  return firstLine?.trim() ?? `exit code ${code}`
}
