/**
 * `weft-control`: the control plane as a process, fed by a directory of manifests or by the API server of Kubernetes.
 *
 * `local/` starts the same control plane inside its own process with `startControlPlane`.
 */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, CommanderError } from 'commander'
import pino, { type Logger } from 'pino'
import { formatDurationMs, parseDurationMs } from '../api/duration.ts'
import { KINDS, type Kind } from '../api/resources/kinds.ts'
import { DEFAULT_CLUSTER_DOMAIN, DEFAULT_CONTROL_PLANE_NS, EXIT_BAD_CONFIGURATION } from '../api/vocabulary.ts'
import { type ControlPlaneOptions, startControlPlane } from './control-plane.ts'
import { ListenError } from './grpc/server.ts'
import { KubernetesTokens } from './identity/kubernetes-tokens.ts'
import { LocalTokens } from './identity/local-tokens.ts'
import { generateIssuer } from './identity/model/generate.ts'
import { type Issuer, IssuerError, loadIssuer, type PemSource } from './identity/model/issuer.ts'
import { DirectorySource } from './resources/directory-source.ts'
import {
  HttpKubernetesApi,
  type HttpKubernetesApiOptions,
  inClusterOptions,
  KubernetesApiError,
} from './resources/kubernetes-api.ts'
import { KubernetesSource } from './resources/kubernetes-source.ts'
import { MemoryStore } from './resources/store.ts'

export { startControlPlane } from './control-plane.ts'

interface PlaneOptions {
  readonly issuerCert: string
  readonly issuerKey: string
  readonly trustAnchors: string
  readonly leafLifetime: string
  readonly controlPlaneNs: string
  readonly clusterDomain: string
  readonly trustDomain?: string
  readonly destinationAddr?: string
  readonly policyAddr?: string
  readonly identityAddr?: string
}

interface AllOptions extends PlaneOptions {
  readonly directory: string
  readonly serviceAccountKey: string
}

interface KubernetesOptions extends PlaneOptions {
  readonly apiServer?: string
  readonly apiToken?: string
  readonly apiCa?: string
}

interface IssuerOptions {
  readonly out: string
  readonly lifetime: string
  readonly controlPlaneNs: string
  readonly trustDomain: string
}

/** A setting that cannot be used; the message says which and what to do. */
class UsageError extends Error {}
const USER_ERRORS = [UsageError, IssuerError, ListenError, KubernetesApiError]

function program(): Command {
  const command = new Command('weft-control').exitOverride().description("Weft's control plane")
  const all = command
    .command('all')
    .description('identity, destination and policy in one process, fed by a directory of manifests')
    .requiredOption('--directory <dir>', 'Kubernetes manifests; changes take effect while running')
    .requiredOption('--service-account-key <file>', 'JWK with which the tokens of pods are signed')
    .action(runAll)
  const kubernetes = command
    .command('kubernetes')
    .description('the same, fed by the API server of the cluster whose pod this is')
    .option('--api-server <url>', 'an API server to use from outside of its cluster')
    .option('--api-token <file>', 'bearer token for --api-server')
    .option('--api-ca <file>', 'PEM certificates that the one of --api-server chains to')
    .action(runOnKubernetes)
  for (const each of [all, kubernetes]) addPlaneOptions(each)
  command
    .command('generate-issuer')
    .description('make a trust anchor, an issuer and a service-account key')
    .requiredOption('--out <dir>', 'where ca.crt, crt.pem, key.pem and service-account.jwk go')
    .option('--lifetime <duration>', 'how long they are valid', '365d')
    .option('--control-plane-ns <name>', 'namespace of the control plane', DEFAULT_CONTROL_PLANE_NS)
    .option('--trust-domain <name>', 'last part of identities', DEFAULT_CLUSTER_DOMAIN)
    .action(writeIssuer)
  return command
}

function addPlaneOptions(command: Command): void {
  command
    .requiredOption('--issuer-cert <file>', 'PEM certificate that signs those of proxies, with its chain')
    .requiredOption('--issuer-key <file>', 'PEM private key of that certificate (ECDSA P-256)')
    .requiredOption('--trust-anchors <file>', 'PEM certificates that proxies trust')
    .option('--leaf-lifetime <duration>', 'how long certificates of proxies are valid', '24h')
    .option('--control-plane-ns <name>', 'namespace of the control plane', DEFAULT_CONTROL_PLANE_NS)
    .option('--cluster-domain <name>', 'DNS domain of services', DEFAULT_CLUSTER_DOMAIN)
    .option('--trust-domain <name>', 'last part of identities (default: the cluster domain)')
    .option('--destination-addr <address>', 'where the destination API listens (default: 127.0.0.1:8086)')
    .option('--policy-addr <address>', 'where the policy API listens (default: 127.0.0.1:8090)')
    .option('--identity-addr <address>', 'where the identity API listens (default: 127.0.0.1:8080)')
}

async function runAll(options: AllOptions): Promise<void> {
  const log = startLog()
  const issuer = await readIssuer(options)
  const tokens = await readTokenKey(options.serviceAccountKey)
  const store = new MemoryStore()
  const source = new DirectorySource({
    paths: [options.directory],
    store,
    onProblems: (sentences) => {
      for (const sentence of sentences) log.error({ role: 'resources' }, sentence)
    },
    onApplied: (changes) => log.info({ role: 'resources', changes }, 'manifests applied'),
  })
  if (source.load().length > 0) {
    throw new UsageError(`--directory: the manifests in ${options.directory} have problems, told above; correct them`)
  }
  const plane = await startControlPlane({ ...planeOptions(options), store, log, tokens, issuer: () => issuer })
  source.watch()
  await stopSignal()
  log.info('closing')
  source.close()
  await plane.close()
}

/** Nothing listens before the first lists are in: half a cluster would look like endpoints that are gone. */
async function runOnKubernetes(options: KubernetesOptions): Promise<void> {
  const log = startLog()
  const issuer = await readIssuer(options)
  const api = new HttpKubernetesApi(apiOptions(options))
  const store = new MemoryStore()
  const source = new KubernetesSource({
    api,
    store,
    kinds: CLUSTER_KINDS,
    onProblem: (sentence) => log.error({ role: 'resources' }, sentence),
    onAbsent: (kind) => log.info({ role: 'resources', kind }, 'the cluster does not have this kind yet'),
  })
  const stopped = stopSignal()
  const isReady = await Promise.race([source.start().then(() => true), stopped.then(() => false)])
  if (isReady) {
    log.info({ role: 'resources' }, 'first lists are in')
    const tokens = new KubernetesTokens(api)
    const plane = await startControlPlane({ ...planeOptions(options), store, log, tokens, issuer: () => issuer })
    await stopped
    log.info('closing')
    source.close()
    await plane.close()
  } else source.close()
  api.close()
}

/** Not Secrets: nothing here reads them, and a control plane that cannot read them cannot lose them. */
const CLUSTER_KINDS = (Object.keys(KINDS) as Kind[]).filter((kind) => kind !== 'Secret')

function apiOptions({ apiServer, apiToken, apiCa }: KubernetesOptions): HttpKubernetesApiOptions {
  if (apiServer === undefined) {
    if (apiToken === undefined && apiCa === undefined) return inClusterOptions(process.env)
    throw new UsageError('--api-token and --api-ca belong to --api-server; give it as well')
  }
  if (!/^https?:\/\/[^/]+\/?$/.test(apiServer) || !URL.canParse(apiServer)) {
    throw new UsageError(`--api-server: "${apiServer}" is not an URL such as https://10.0.0.1:6443`)
  }
  if (apiToken !== undefined) readText(apiToken)
  return {
    server: apiServer,
    ...(apiCa !== undefined && { ca: readText(apiCa) }),
    ...(apiToken !== undefined && { token: () => readText(apiToken).trim() }),
  }
}

function startLog(): Logger {
  return pino({ name: 'weft-control' }, pino.destination({ dest: 2, sync: true }))
}

function readIssuer(options: PlaneOptions): Promise<Issuer> {
  return loadIssuer(
    {
      certificate: readPem(options.issuerCert),
      privateKey: readPem(options.issuerKey),
      anchors: readPem(options.trustAnchors),
    },
    Date.now(),
  )
}

function planeOptions(options: PlaneOptions): Pick<ControlPlaneOptions, 'config' | 'leaf' | 'listen'> {
  return {
    config: {
      controlPlaneNs: options.controlPlaneNs,
      clusterDomain: options.clusterDomain,
      trustDomain: options.trustDomain ?? options.clusterDomain,
    },
    leaf: { lifetimeMs: durationOption('--leaf-lifetime', options.leafLifetime) },
    listen: {
      ...(options.destinationAddr && { destination: options.destinationAddr }),
      ...(options.policyAddr && { policy: options.policyAddr }),
      ...(options.identityAddr && { identity: options.identityAddr }),
    },
  }
}

async function writeIssuer({ out, lifetime, controlPlaneNs, trustDomain }: IssuerOptions): Promise<void> {
  const lifetimeMs = durationOption('--lifetime', lifetime)
  const nowMs = Date.now()
  const issuer = await generateIssuer({ controlPlaneNs, trustDomain, nowMs, lifetimeMs, clockSkewMs: 20_000 })
  const tokenKey = await (await LocalTokens.generate()).exportKey()
  mkdirSync(out, { recursive: true, mode: 0o700 })
  writeFileSync(join(out, 'ca.crt'), issuer.anchorsPem)
  writeFileSync(join(out, 'crt.pem'), issuer.certificatePem)
  writeSecret(join(out, 'key.pem'), issuer.privateKeyPem)
  writeSecret(join(out, 'service-account.jwk'), `${JSON.stringify(tokenKey)}\n`)
  process.stderr.write(`an issuer valid for ${formatDurationMs(lifetimeMs)} is in ${out}\n`)
}

function writeSecret(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 })
  // The mode above only counts for a new file.
  chmodSync(path, 0o600)
}

function readPem(from: string): PemSource {
  return { pem: readText(from), from }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new UsageError(`${path} cannot be read (${(cause as NodeJS.ErrnoException).code}); check path and rights`, {
      cause,
    })
  }
}

async function readTokenKey(path: string): Promise<LocalTokens> {
  const text = readText(path)
  try {
    return await LocalTokens.fromKey(JSON.parse(text))
  } catch {
    // Without the cause: it may quote the key.
    throw new UsageError(
      `--service-account-key: ${path} is not an ES256 private key as JWK; make one with generate-issuer`,
    )
  }
}

function durationOption(name: string, text: string): number {
  const ms = parseDurationMs(text)
  if (ms !== undefined && ms > 0) return ms
  throw new UsageError(`${name}: "${text}" is not a duration such as 30s, 24h or 365d`)
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGTERM', () => resolve())
    process.once('SIGINT', () => resolve())
  })
}

/** @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  try {
    await program().parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_BAD_CONFIGURATION
    if (USER_ERRORS.some((each) => error instanceof each)) {
      const { message } = error as Error
      process.stderr.write(`weft-control: ${message}\n`)
      return EXIT_BAD_CONFIGURATION
    }
    throw error
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
