/** Weft's side: the sidecar of one pod, with the environment that the injector gives it. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DEFAULT_CLUSTER_NETWORKS, Port, PROXY_UID } from '../api/vocabulary.ts'
import { NODE_FLAGS } from '../proxy/node-flags.ts'
import { CONTROL_IDENTITIES } from '../test/support/control-stub.ts'
import { ALL_ORIGINS, isRaw } from './origin-ports.ts'
import { NODE, NODE_IP, type Pod, spawnIn } from './pods.ts'
import type { Programs } from './programs.ts'

/** Every pod of the benchmark runs under one service account. */
export const IDENTITY = 'default.bench.serviceaccount.identity.linkerd.cluster.local'

export interface Control {
  readonly process: ChildProcess
  readonly address: string
  readonly anchorsPem: string
  /** For everybody of the benchmark who speaks mesh TLS and is no sidecar. */
  readonly certificateAndKeyPem: string
}

export interface Sidecar {
  readonly pod: Pod
  readonly process: ChildProcess
  /** From the start of the process until /ready answered 200. */
  readonly startToReadyMs: number
  /** The last of what it logged. */
  log(): string
}

export interface SidecarOptions {
  readonly programs: Programs
  /** Runs on this core only. */
  readonly core?: number
  /** `LINKERD2_PROXY_CORES` */
  readonly cores: number
  /** Writes a CPU profile here when the proxy ends. */
  readonly profileFolder?: string | undefined
}

const MAX_LOG_CHARACTERS = 8_192
const READY_TIMEOUT_MS = 10_000

/**
 * @param endpoint where the applications are
 * @param tlsEndpoint where the TLS server of the benchmark is
 */
export async function startControl(endpoint: Pod, tlsEndpoint: Pod): Promise<Control> {
  const script = join(import.meta.dirname, 'control.ts')
  const child = spawnIn(NODE, [
    ...[process.execPath, script, '--host', NODE_IP, '--identity', IDENTITY],
    ...['--endpoint', endpoint.ip, '--tls-endpoint', tlsEndpoint.ip],
  ])
  child.stderr?.pipe(process.stderr)
  const [line] = await once(createInterface({ input: child.stdout! }), 'line')
  return { process: child, ...JSON.parse(String(line)) }
}

/** Starts the sidecar of `pod` and waits until it is ready. */
export async function startSidecar(
  pod: Pod,
  control: Control,
  folder: string,
  { programs, core, cores, profileFolder }: SidecarOptions,
): Promise<Sidecar> {
  const probe = spawnIn(pod.netns, [
    ...[process.execPath, join(import.meta.dirname, 'ready-probe.ts')],
    ...['127.0.0.1', String(Port.admin), String(READY_TIMEOUT_MS)],
  ])
  const answers = createInterface({ input: probe.stdout! })
  await once(answers, 'line')
  const readyAt = once(answers, 'line')
  const failed = once(probe, 'close').then(([code]) => code as number | null)

  const profile = profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`]
  const startedAt = process.hrtime.bigint()
  const child = spawnIn(pod.netns, [programs.node, ...NODE_FLAGS, ...profile, programs.proxy], {
    asProxy: true,
    env: environment(pod, control, folder, cores),
    ...(core === undefined ? {} : { core }),
  })
  let log = ''
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on('data', (chunk) => {
      log = (log + String(chunk)).slice(-MAX_LOG_CHARACTERS)
    })
  }
  const ended = once(child, 'exit').then(([code]) => code as number | null)
  const outcome = await Promise.race([readyAt.then(([line]) => String(line)), failed, ended])
  if (typeof outcome !== 'string') {
    probe.kill()
    child.kill('SIGKILL')
    throw new Error(`bench: the sidecar of ${pod.name} did not become ready; it said:\n${log.trim()}`)
  }
  const startToReadyMs = Number(BigInt(outcome) - startedAt) / 1e6
  return { pod, process: child, startToReadyMs, log: () => log }
}

/** What the injector sets (facts of the vocabulary: environment of the injected proxy), for a pod of the benchmark. */
function environment(pod: Pod, control: Control, folder: string, cores: number): Record<string, string> {
  const { identityFolder, tokenFile } = identityFiles(pod, folder)
  const networks = DEFAULT_CLUSTER_NETWORKS.join(',')
  const settings = {
    LOG: 'warn,linkerd=info',
    LOG_FORMAT: 'plain',
    CORES: String(cores),
    SHUTDOWN_ENDPOINT_ENABLED: 'false',
    DESTINATION_SVC_ADDR: control.address,
    DESTINATION_SVC_NAME: CONTROL_IDENTITIES.destination,
    DESTINATION_PROFILE_NETWORKS: networks,
    DESTINATION_PROFILE_SUFFIXES: 'svc.cluster.local.',
    DESTINATION_CONTEXT: `{"ns":"bench", "nodeName":"bench", "pod":"${pod.name}"}\n`,
    POLICY_SVC_ADDR: control.address,
    POLICY_SVC_NAME: CONTROL_IDENTITIES.destination,
    POLICY_WORKLOAD: `{"ns":"bench", "pod":"${pod.name}"}\n`,
    POLICY_CLUSTER_NETWORKS: networks,
    IDENTITY_SVC_ADDR: control.address,
    IDENTITY_SVC_NAME: CONTROL_IDENTITIES.identity,
    IDENTITY_DIR: identityFolder,
    IDENTITY_TRUST_ANCHORS: control.anchorsPem,
    IDENTITY_TOKEN_FILE: tokenFile,
    IDENTITY_LOCAL_NAME: IDENTITY,
    CONTROL_STREAM_INITIAL_TIMEOUT: '3s',
    CONTROL_STREAM_IDLE_TIMEOUT: '5m',
    CONTROL_STREAM_LIFETIME: '1h',
    INBOUND_DEFAULT_POLICY: 'all-unauthenticated',
    // Longer than the injector's: a machine that is busy with something else shall not fail the run.
    INBOUND_CONNECT_TIMEOUT: '5000ms',
    OUTBOUND_CONNECT_TIMEOUT: '5000ms',
    OUTBOUND_DISCOVERY_IDLE_TIMEOUT: '5s',
    INBOUND_DISCOVERY_IDLE_TIMEOUT: '90s',
    CONTROL_LISTEN_ADDR: '0.0.0.0:4190',
    ADMIN_LISTEN_ADDR: '0.0.0.0:4191',
    OUTBOUND_LISTEN_ADDR: '127.0.0.1:4140',
    OUTBOUND_LISTEN_ADDRS: '127.0.0.1:4140',
    INBOUND_LISTEN_ADDR: '0.0.0.0:4143',
    INBOUND_IPS: pod.ip,
    INBOUND_PORTS: ALL_ORIGINS.map(({ port }) => port).join(','),
    INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION: ALL_ORIGINS.filter(isRaw)
      .map(({ port }) => port)
      .join(','),
    INBOUND_ACCEPT_KEEPALIVE: '10000ms',
    OUTBOUND_CONNECT_KEEPALIVE: '10000ms',
    INBOUND_ACCEPT_USER_TIMEOUT: '30s',
    OUTBOUND_CONNECT_USER_TIMEOUT: '30s',
    INBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL: '10s',
    INBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT: '3s',
    OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL: '10s',
    OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT: '3s',
  }
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [`LINKERD2_PROXY_${name}`, value]))
}

/** The two folders that Kubernetes would mount: one for the proxy's identity, one with the pod's token. */
function identityFiles(pod: Pod, folder: string): { identityFolder: string; tokenFile: string } {
  const identityFolder = join(folder, pod.name)
  mkdirSync(identityFolder, { recursive: true, mode: 0o700 })
  const tokenFile = join(identityFolder, 'linkerd-identity-token')
  // The stub signs for whoever asks; the proxy only has to find something to show.
  writeFileSync(tokenFile, 'bench', { mode: 0o600 })
  for (const path of [identityFolder, tokenFile]) chownSync(path, PROXY_UID, PROXY_UID)
  return { identityFolder, tokenFile }
}
