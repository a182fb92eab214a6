/**
 * The supervisor: the node of the one-machine cluster, as a process inside the cluster's own namespaces.
 *
 * Assembly only: the store and its door, the controllers, network, DNS, the control plane's pod, the manifests on
 * disk, and the API for `weft local get` and the others. It ends when the control pipe ends.
 */
import { mkdirSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { formatProblem, type Problem } from '../api/resources/manifests.ts'
import { meta } from '../api/resources/meta.ts'
import type { Namespace } from '../api/resources/workload.ts'
import { CONTROL_PLANE_UID, DEFAULT_CONTROL_PLANE_NS } from '../api/vocabulary.ts'
import { LocalTokens } from '../control/identity/local-tokens.ts'
import { generateIssuer } from '../control/identity/model/generate.ts'
import { loadIssuer } from '../control/identity/model/issuer.ts'
import { DirectorySource, type ManifestSet } from '../control/resources/directory-source.ts'
import { MemoryStore, type ResourceStore } from '../control/resources/store.ts'
import { StreamServer } from '../control/resources/stream-source.ts'
import { ApiServer } from './api/server.ts'
import { AdmittingStore } from './cluster/admission.ts'
import { LocalCluster } from './cluster/cluster.ts'
import { isPodReady } from './cluster/endpoints.ts'
import { checkRules, ignoredFields, type RuleContext } from './cluster/rules.ts'
import { ControlFile, writeControlFiles } from './control-files.ts'
import { resolvConf } from './dns/answers.ts'
import { DnsServer } from './dns/server.ts'
import { storeView } from './dns/store-view.ts'
import { BIN_DIRECTORY, INNER_STATE_DIRECTORY, PODS_DIRECTORY } from './launch.ts'
import { controlPlaneManifests, entrypointOf, injector, meshInjectorConfig } from './mesh.ts'
import { MeshGate } from './mesh-gate.ts'
import { Scraper } from './metrics/scraper.ts'
import { AddressPool, DNS_IP, POD_NETWORK, SERVICE_NETWORK } from './network/addresses.ts'
import { nodeScript, PodNetworks } from './network/pod-network.ts'
import { ServiceRules } from './network/service-rules-applier.ts'
import { nodeHost } from './pods/node-host.ts'
import { mustRun } from './run.ts'
import { CONTROL_SOCKET } from './state-directory.ts'
import { CONTROL_FD, type OuterMessage, type SupervisorConfig, type SupervisorMessage } from './supervisor-config.ts'
import { findTools, isRunnable } from './tools.ts'

/** Where the control plane's secrets and its store's socket are; in memory, mounted by its pod only. */
const CONTROL_DIRECTORY = '/run/weft/control'
/** Of credentials that are made at the start: they live and end with the cluster. */
const ISSUER_LIFETIME_MS = 365 * 86_400_000
const CLOCK_SKEW_MS = 20_000
/** At most this long pods may take to end when the whole cluster stops. */
const STOP_GRACE_MS = 5_000

async function main(control: Socket, lines: AsyncIterator<string>): Promise<void> {
  const first = await lines.next()
  if (first.done === true) return process.exit(1)
  const config = JSON.parse(first.value) as SupervisorConfig
  const { startedAtMs } = config
  const say = (sentence: string) => process.stderr.write(`${sentence}\n`)
  const tell = (message: SupervisorMessage) => control.write(`${JSON.stringify(message)}\n`)

  const found = findTools(config.path)
  if (found.kind === 'missing') throw new Error(`${found.programs.join(', ')} is missing`)
  const { tools } = found
  const credentials = await loadCredentials(config)
  await mustRun(tools.sh, ['-c', nodeScript(tools)])

  const raw = new MemoryStore()
  const inject = injector(meshInjectorConfig(credentials.anchorsPem, config.clusterDomain), say)
  const store = new AdmittingStore(raw, new AddressPool(SERVICE_NETWORK, 11), inject)
  mkdirSync(PODS_DIRECTORY, { recursive: true })
  const gate = new MeshGate(raw)
  const networks = new PodNetworks(tools)
  const rules = new ServiceRules(raw, tools, say)
  const cluster = new LocalCluster({
    store: raw,
    admission: store,
    podIps: new AddressPool(POD_NETWORK, 2),
    host: nodeHost({
      config,
      tools,
      networks,
      store: raw,
      tokens: credentials.tokens,
      bin: BIN_DIRECTORY,
      entrypointOf,
      resolvConf: (namespace) => resolvConf(namespace, config.clusterDomain, DNS_IP),
      mayStart: (pod, container) => gate.pass(pod, container),
    }),
    random: Math.random,
    now: () => new Date().toISOString(),
    onServices: () => rules.changed(),
    onError: say,
  })
  const dns = new DnsServer(storeView(raw, config.clusterDomain))
  await dns.listen(DNS_IP)

  writeControlFiles(
    CONTROL_DIRECTORY,
    { ...credentials, tokenKey: await credentials.tokens.exportKey() },
    CONTROL_PLANE_UID,
  )
  const stream = new StreamServer(
    raw,
    join(CONTROL_DIRECTORY, ControlFile.store),
    () => gate.controlStarted(),
    ({ key, status }) => raw.applyStatus(key, status),
  )
  const ruleContext: RuleContext = {
    store: raw,
    workingDir: config.workingDir,
    isProgram: (name) => isRunnable(name, config.path),
  }
  const source = manifestSource(config, store, ruleContext, say)
  store.apply([
    ...['default', 'kube-system'].map(namespaceNamed),
    ...controlPlaneManifests(CONTROL_DIRECTORY, config.clusterDomain, config.leaf),
  ])
  const problems = source.load()
  if (problems.length > 0) {
    throw new Refusal(problems.map(formatProblem))
  }
  source.watch()

  const scraper = new Scraper(raw)
  scraper.start()
  const api = new ApiServer({ store, cluster, ruleContext, report: (sinceMs) => scraper.report(sinceMs) })
  await api.listen(join(INNER_STATE_DIRECTORY, CONTROL_SOCKET))
  tell({ type: 'started', startupMs: Date.now() - startedAtMs })
  const endReady = raw.subscribe(() => {
    if (!isAllReady(raw)) return
    endReady()
    tell({ type: 'ready', startupMs: Date.now() - startedAtMs })
  })

  let isStopping = false
  const stop = async () => {
    if (isStopping) process.exit(1)
    isStopping = true
    source.close()
    api.close()
    scraper.close()
    await cluster.close(STOP_GRACE_MS)
    stream.close()
    dns.close()
    process.exit(0)
  }
  for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
    const message = JSON.parse(line.value) as OuterMessage
    if (message.type === 'stop') void stop()
  }
  // The outer process is gone: nobody wants this cluster any more, and process 1 ends everything with us.
  process.exit(1)
}

/** The cluster cannot be as it was asked for. */
class Refusal extends Error {
  readonly sentences: readonly string[]

  constructor(sentences: readonly string[]) {
    super(sentences.join('\n'))
    this.sentences = sentences
  }
}

interface Credentials {
  readonly anchorsPem: string
  readonly certificatePem: string
  readonly privateKeyPem: string
  readonly tokens: LocalTokens
}

async function loadCredentials({ issuer, clusterDomain }: SupervisorConfig): Promise<Credentials> {
  const nowMs = Date.now()
  const tokens = await LocalTokens.generate()
  if (issuer === undefined) {
    const made = await generateIssuer({
      controlPlaneNs: DEFAULT_CONTROL_PLANE_NS,
      trustDomain: clusterDomain,
      nowMs,
      lifetimeMs: ISSUER_LIFETIME_MS,
      clockSkewMs: CLOCK_SKEW_MS,
    })
    return { ...made, tokens }
  }
  const { certificate, privateKey, anchors } = issuer
  // Checked here and not only in the control plane, where it would show as pods that never get ready.
  await loadIssuer({ certificate, privateKey, anchors }, nowMs)
  return { anchorsPem: anchors.pem, certificatePem: certificate.pem, privateKeyPem: privateKey.pem, tokens }
}

function manifestSource(
  config: SupervisorConfig,
  store: AdmittingStore,
  context: RuleContext,
  say: (sentence: string) => void,
): DirectorySource {
  let isFirst = true
  const told = new Set<string>()
  const toldFields = new Set<string>()
  return new DirectorySource({
    paths: config.paths,
    store,
    check: (manifests: ManifestSet): readonly Problem[] => {
      const problems = checkRules(manifests, context)
      if (problems.length === 0) {
        for (const note of ignoredFields(manifests)) {
          if (!toldFields.has(note.field)) say(formatProblem(note))
          toldFields.add(note.field)
        }
      }
      return problems
    },
    onProblems: (sentences) => {
      // The first ones go to the outer process, which ends with them.
      if (isFirst) return
      for (const sentence of sentences) say(sentence)
      say('the cluster keeps its last good state')
    },
    onNotes: (notes) => {
      for (const note of notes) tellOnce(formatProblem(note))
    },
    onApplied: (changes) => {
      if (!isFirst && changes > 0) say(`${changes} changed ${changes === 1 ? 'object' : 'objects'} applied`)
      isFirst = false
    },
  })

  function tellOnce(sentence: string): void {
    if (!told.has(sentence)) say(sentence)
    told.add(sentence)
  }
}

function namespaceNamed(name: string): Namespace {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: meta({ name }) }
}

function isAllReady(store: ResourceStore): boolean {
  return (
    store.list('Deployment').every(({ spec, status }) => status.readyReplicas === spec.replicas) &&
    store.list('Pod').every((pod) => isPodReady(pod) || pod.status.phase === 'Succeeded')
  )
}

// A socket and not a file: reads of a file would block a thread, and with it the exit of the process.
const pipe = new Socket({ fd: CONTROL_FD })
pipe.on('error', () => process.exit(1))
try {
  await main(pipe, createInterface({ input: pipe })[Symbol.asyncIterator]())
} catch (error) {
  const sentences = error instanceof Refusal ? error.sentences : [(error as Error).message]
  const message: SupervisorMessage = { type: 'refused', sentences }
  pipe.end(`${JSON.stringify(message)}\n`, () => process.exit(1))
}
