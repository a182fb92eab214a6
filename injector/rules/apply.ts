/**
 * Puts the redirect rules into the network namespace this runs in, and takes them away.
 *
 * nft comes first: one transaction for both families. Where it is missing or the kernel refuses it, the iptables
 * flavours follow. Exactly one firewall holds our rules afterwards.
 */
import { FIREWALLS, type Firewall, firewallProgram } from './firewall.ts'
import type { RedirectConfig } from './redirect-rules.ts'
import { type Run, runProgram } from './run.ts'

export interface RulesOptions {
  readonly run?: Run
  /** Tried first; the others follow in their usual order. */
  readonly which?: Firewall
}

export interface Applied {
  readonly firewall: Firewall
  /** What was tried before and why it did not work, one phrase each. */
  readonly failures: readonly string[]
}

export class RedirectError extends Error {
  readonly code = 'WEFT_REDIRECT'
}

/**
 * Loads the rules, in place of any we loaded before: applying twice gives the same ruleset.
 *
 * @throws RedirectError when no firewall took them; then nothing is redirected
 */
export async function applyRules(config: RedirectConfig, options: RulesOptions = {}): Promise<Applied> {
  const { run = runProgram, which } = options
  const failures: string[] = []
  const candidates = which === undefined ? FIREWALLS : [which, ...FIREWALLS.filter((other) => other !== which)]
  for (const firewall of candidates) {
    const failure = await firewallProgram(firewall).load(config, run)
    if (failure === undefined) {
      await removeLeftovers(firewall, run)
      return { firewall, failures }
    }
    failures.push(phrase(firewall, failure))
  }
  throw new RedirectError(
    `redirect: no firewall took the rules, nothing is redirected (${failures.join('; ')}); install nftables or iptables and run with CAP_NET_ADMIN`,
  )
}

/**
 * Takes our rules away, whichever firewall holds them. Without any it does nothing.
 *
 * @throws RedirectError when rules are left
 */
export async function removeRules(options: RulesOptions = {}): Promise<void> {
  const { run = runProgram } = options
  const failures: string[] = []
  for (const firewall of await firewallsInUse(run)) {
    const failure = await firewallProgram(firewall).remove(run)
    if (failure !== undefined) failures.push(phrase(firewall, failure))
  }
  if (failures.length === 0) return
  throw new RedirectError(`redirect: rules are left behind (${failures.join('; ')}); run with CAP_NET_ADMIN`)
}

/** Our rules as the kernel has them, per firewall that holds some. */
export async function showRules(options: RulesOptions = {}): Promise<{ firewall: Firewall; text: string }[]> {
  const { run = runProgram } = options
  const shown = []
  for (const firewall of await firewallsInUse(run)) {
    shown.push({ firewall, text: await firewallProgram(firewall).show(run) })
  }
  return shown
}

/** Two firewalls with our rules would redirect by whichever comes first, with ports of different times. */
async function removeLeftovers(keep: Firewall, run: Run): Promise<void> {
  for (const firewall of await firewallsInUse(run)) {
    // The flavour found may be the very one that plain `iptables` stands for.
    if (firewall === keep || (keep === 'iptables' && firewall !== 'nft')) continue
    await firewallProgram(firewall).remove(run)
  }
}

/** Plain `iptables` is a second name of one of the other two, so it is asked last and only where they are missing. */
async function firewallsInUse(run: Run): Promise<Firewall[]> {
  const inUse: Firewall[] = []
  const isInUse = async (firewall: Firewall) => (await firewallProgram(firewall).show(run)) !== ''
  if (await isInUse('nft')) inUse.push('nft')
  const { code, stderr } = await run('iptables-nft-save', ['-t', 'nat'])
  if (code === 0) {
    if (await isInUse('iptables-nft')) inUse.push('iptables-nft')
    // Only asking for the legacy tables creates them, so it is asked where the kernel already has some.
    if (stderr.includes('iptables-legacy tables present') && (await isInUse('iptables-legacy')))
      inUse.push('iptables-legacy')
  } else if (await isInUse('iptables')) inUse.push('iptables')
  else if (await isInUse('iptables-legacy')) inUse.push('iptables-legacy')
  return inUse
}

function phrase(firewall: Firewall, failure: string): string {
  return failure.startsWith(firewall) ? failure : `${firewall}: ${failure}`
}
