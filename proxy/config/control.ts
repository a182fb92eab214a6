/** The control plane: where its services are, who they have to be, and what this proxy tells them about itself. */
import type { StreamLimits } from '../discovery/stream-watch.ts'
import { parseTarget, type Target } from '../io/resolve.ts'
import { compileCidr, type Network } from '../policy/network.ts'
import type { Env } from './env.ts'

/** One service; `serverName` is the identity it has to show and the SNI, absent only for loopback targets. */
export interface ServiceConfig {
  /** As it was written: `linkerd-policy.linkerd.svc.cluster.local.:8090`. */
  readonly addr: string
  readonly target: Target
  readonly serverName: string | undefined
}

export interface ControlConfig {
  readonly destination: ServiceConfig
  readonly policy: ServiceConfig
  readonly identity: ServiceConfig & {
    readonly localName: string
    readonly tokenFile: string
    readonly trustAnchorsPem: string
    readonly minRefreshMs: number
    readonly maxRefreshMs: number
  }
  /** Passed on unchanged: JSON with the pod's namespace, node and name. */
  readonly destinationContext: string
  readonly policyWorkload: string
  /** Only addresses in here have profiles. */
  readonly profileNetworks: readonly Network[]
  /** Only names under these have profiles; the empty one is every name. */
  readonly profileSuffixes: readonly string[]
  /** Inbound requests wait this long for a profile, then go without. */
  readonly profileInitialTimeoutMs: number
  readonly streamLimits: StreamLimits
  readonly dns: { readonly minTtlMs: number | undefined; readonly maxTtlMs: number | undefined }
}

const INJECTED = 'the injector sets it; was this pod injected?'

export function readControl(env: Env): ControlConfig {
  const localName = env.requiredText('LINKERD2_PROXY_IDENTITY_LOCAL_NAME', INJECTED).trim().replace(/\.$/, '')
  if (localName !== '' && !/^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/i.test(localName)) {
    env.problem('LINKERD2_PROXY_IDENTITY_LOCAL_NAME', `"${localName}" is not a DNS name`)
  }
  const trustAnchorsPem = env.requiredText('LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS', INJECTED)
  if (trustAnchorsPem !== '' && !trustAnchorsPem.includes('-----BEGIN CERTIFICATE-----')) {
    env.problem('LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS', 'has no PEM certificate in it')
  }
  const minRefreshMs = env.durationMs('LINKERD2_PROXY_IDENTITY_MIN_REFRESH', 10_000)
  const maxRefreshMs = env.durationMs('LINKERD2_PROXY_IDENTITY_MAX_REFRESH', 86_400_000)
  if (minRefreshMs > maxRefreshMs) {
    env.problem('LINKERD2_PROXY_IDENTITY_MIN_REFRESH', 'is longer than LINKERD2_PROXY_IDENTITY_MAX_REFRESH')
  }
  return {
    destination: readService(env, 'DESTINATION'),
    policy: readService(env, 'POLICY'),
    identity: {
      ...readService(env, 'IDENTITY'),
      localName,
      tokenFile: env.requiredText('LINKERD2_PROXY_IDENTITY_TOKEN_FILE', INJECTED),
      trustAnchorsPem,
      minRefreshMs,
      maxRefreshMs,
    },
    destinationContext: env.optionalText('LINKERD2_PROXY_DESTINATION_CONTEXT') ?? '',
    policyWorkload: env.requiredText('LINKERD2_PROXY_POLICY_WORKLOAD', INJECTED),
    profileNetworks: env
      .networks('LINKERD2_PROXY_DESTINATION_PROFILE_NETWORKS')
      .map((cidr) => ({ cidr: compileCidr(cidr), except: [] })),
    profileSuffixes: env.nameSuffixes('LINKERD2_PROXY_DESTINATION_PROFILE_SUFFIXES', 'svc.cluster.local.'),
    profileInitialTimeoutMs: env.durationMs('LINKERD2_PROXY_DESTINATION_PROFILE_INITIAL_TIMEOUT', 500),
    streamLimits: readStreamLimits(env),
    dns: {
      minTtlMs: env.optionalDurationMs('LINKERD2_PROXY_DNS_MIN_TTL'),
      maxTtlMs: env.optionalDurationMs('LINKERD2_PROXY_DNS_MAX_TTL'),
    },
  }
}

function readService(env: Env, service: 'DESTINATION' | 'POLICY' | 'IDENTITY'): ServiceConfig {
  const addrName = `LINKERD2_PROXY_${service}_SVC_ADDR`
  const addr = env.requiredText(addrName, INJECTED).trim()
  const serverName = env.optionalText(`LINKERD2_PROXY_${service}_SVC_NAME`)?.trim().replace(/\.$/, '')
  const target = parseTarget(addr)
  if (addr !== '' && target === undefined) {
    env.problem(addrName, `"${addr}" is not host:port such as linkerd-policy.linkerd.svc.cluster.local.:8090`)
  }
  if (target !== undefined && !target.isLoopback && serverName === undefined) {
    const name = `LINKERD2_PROXY_${service}_SVC_NAME`
    env.problem(name, `is not set, but ${target.authority} is reached over mTLS and has to show an identity`)
  }
  const nowhere: Target = { host: '', port: 0, isLoopback: false, authority: '' }
  return { addr, target: target ?? nowhere, serverName: target?.isLoopback ? undefined : serverName }
}

function readStreamLimits(env: Env): StreamLimits {
  const prefix = 'LINKERD2_PROXY_CONTROL_STREAM'
  const initialMs = env.optionalDurationMs(`${prefix}_INITIAL_TIMEOUT`)
  const idleMs = env.optionalDurationMs(`${prefix}_IDLE_TIMEOUT`)
  const lifetimeMs = env.optionalDurationMs(`${prefix}_LIFETIME`)
  const none = Number.POSITIVE_INFINITY
  if ((initialMs ?? 0) > (idleMs ?? none) || (idleMs ?? initialMs ?? 0) > (lifetimeMs ?? none)) {
    env.problem(`${prefix}_IDLE_TIMEOUT`, 'INITIAL_TIMEOUT, IDLE_TIMEOUT and LIFETIME have to be in ascending order')
  }
  return { initialMs, idleMs, lifetimeMs }
}
