/**
 * `weft inject` and `weft uninject`: put the mesh into a manifest and take it out again. The manifest goes to standard
 * output, the report to standard error, so that `weft inject web.yaml | kubectl apply -f -` works.
 */
import { readFile } from 'node:fs/promises'
import { parsePortSet } from '../../api/port-set.ts'
import { DEFAULT_CLUSTER_DOMAIN, DEFAULT_CONTROL_PLANE_NS, Inject, ProxyConfig as Key } from '../../api/vocabulary.ts'
import { DEFAULT_PROXY_SETTINGS, type InjectorConfig, injectorConfig } from '../../injector/config.ts'
import { injectManifest, type ObjectReport, uninjectManifest } from '../../injector/inject-manifest.ts'
import { formatManifest, type KubeObject, ManifestError, nameOf } from '../../injector/manifest.ts'
import { readManifests } from '../../injector/manifest-source.ts'
import { changesSetting, readSettings } from '../../injector/settings.ts'
import type { Command, CommandOptions, CommandValues } from '../command.ts'

/** Flags that become annotations of the pods; those that say what the installation has by itself are left out. */
const TEXT_FLAGS: ReadonlyMap<string, string> = new Map([
  ['admin-port', Key.adminPort],
  ['control-port', Key.controlPort],
  ['inbound-port', Key.inboundPort],
  ['outbound-port', Key.outboundPort],
  ['default-inbound-policy', Key.defaultInboundPolicy],
  ['opaque-ports', Key.opaquePorts],
  ['proxy-cpu-request', Key.proxyCpuRequest],
  ['proxy-cpu-limit', Key.proxyCpuLimit],
  ['proxy-memory-request', Key.proxyMemoryRequest],
  ['proxy-memory-limit', Key.proxyMemoryLimit],
  ['proxy-uid', Key.proxyUid],
  ['proxy-gid', Key.proxyGid],
  ['proxy-log-level', Key.proxyLogLevel],
  ['require-identity-on-inbound-ports', Key.requireIdentityInboundPorts],
  ['skip-inbound-ports', Key.skipInboundPorts],
  ['skip-outbound-ports', Key.skipOutboundPorts],
  ['close-wait-timeout', Key.closeWaitTimeout],
  ['wait-before-exit-seconds', Key.waitBeforeExitSeconds],
])
const SWITCHES: ReadonlyMap<string, string> = new Map([
  ['enable-debug-sidecar', Key.enableDebugSidecar],
  ['enable-external-profiles', Key.enableExternalProfiles],
  ['native-sidecar', Key.enableNativeSidecar],
])

const OUTPUT: CommandOptions = { output: { type: 'string', short: 'o', default: 'yaml' } }

export const inject: Command = {
  name: 'inject',
  summary: 'Add the proxy to the workloads of a Kubernetes manifest',
  usage: 'inject [--manual --identity-trust-anchors-file FILE] [--ingress] [FLAGS] FILE | DIRECTORY | URL | -',
  options: {
    ...OUTPUT,
    manual: { type: 'boolean', default: false },
    ingress: { type: 'boolean', default: false },
    registry: { type: 'string' },
    /** Nothing here asks a cluster; read so that scripts keep working. */
    'ignore-cluster': { type: 'boolean', default: false },
    'linkerd-namespace': { type: 'string', short: 'L', default: DEFAULT_CONTROL_PLANE_NS },
    'cluster-domain': { type: 'string', default: DEFAULT_CLUSTER_DOMAIN },
    'identity-trust-domain': { type: 'string' },
    'identity-trust-anchors-file': { type: 'string' },
    ...Object.fromEntries([...TEXT_FLAGS.keys()].map((flag) => [flag, { type: 'string' }] as const)),
    ...Object.fromEntries([...SWITCHES.keys()].map((flag) => [flag, { type: 'boolean', default: false }] as const)),
  },
  async run({ values, positionals, stdin, stdout, stderr }) {
    try {
      const source = sourceOf(positionals)
      const format = formatOf(values)
      const annotations = annotationsOf(values)
      const manual = values.manual === true ? await manualConfig(values) : undefined
      const objects = await readManifests(source, stdin)
      const reports = injectManifest(objects, { annotations, ...(manual === undefined ? {} : { manual }) })
      const failed = reports.filter(({ error }) => error !== undefined)
      if (failed.length > 0) {
        const sentences = failed.map(({ object, error }) => `failed to inject ${nameOf(object)}: ${error}\n`)
        stderr.write(`Error transforming resources:\n${sentences.join('')}`)
        return 1
      }
      stdout.write(formatManifest(objects, format))
      stderr.write(reportText(reports))
      return 0
    } catch (error) {
      if (!(error instanceof ManifestError)) throw error
      stderr.write(`inject: ${error.message}\n`)
      return 1
    }
  },
}

export const uninject: Command = {
  name: 'uninject',
  summary: 'Take the proxy out of the workloads of a Kubernetes manifest',
  usage: 'uninject FILE | DIRECTORY | URL | -',
  options: OUTPUT,
  async run({ values, positionals, stdin, stdout, stderr }) {
    try {
      const objects = await readManifests(sourceOf(positionals), stdin)
      const results = uninjectManifest(objects)
      stdout.write(formatManifest(objects, formatOf(values)))
      const lines = results.map(({ object, isChanged }) => line(object, isChanged ? 'uninjected' : 'skipped'))
      stderr.write(`\n${lines.join('')}\n`)
      return 0
    } catch (error) {
      if (!(error instanceof ManifestError)) throw error
      stderr.write(`uninject: ${error.message}\n`)
      return 1
    }
  },
}

function sourceOf([source, ...rest]: readonly string[]): string {
  if (source === undefined)
    throw new ManifestError('name a manifest: a file, a directory, an https address, or - for standard input')
  if (rest.length > 0) throw new ManifestError(`one manifest at a time; "${rest.join(' ')}" is too much`)
  return source
}

function formatOf({ output = 'yaml' }: CommandValues): 'yaml' | 'json' {
  if (output === 'yaml' || output === 'json') return output
  throw new ManifestError(`--output is "${output}"; give yaml or json`)
}

function annotationsOf(values: CommandValues): ReadonlyMap<string, string> {
  const given = new Map<string, string>()
  for (const [flag, key] of TEXT_FLAGS) {
    if (typeof values[flag] === 'string') given.set(key, values[flag])
  }
  for (const [flag, key] of SWITCHES) {
    if (values[flag] === true) given.set(key, 'true')
  }
  if (values.registry !== undefined) given.set(Key.proxyImage, `${values.registry}/${DEFAULT_PROXY_SETTINGS.image}`)
  refuseWrong(given)
  const annotations = new Map<string, string>([
    [Inject.annotation, values.ingress === true ? Inject.ingress : Inject.enabled],
  ])
  for (const [key, value] of given) {
    if (changesSetting(DEFAULT_PROXY_SETTINGS, key, value)) annotations.set(key, value)
  }
  return annotations
}

/** An annotation that cannot be read is passed over by the injector; here someone is watching, so it is said. */
function refuseWrong(given: ReadonlyMap<string, string>): void {
  const problems = readSettings(DEFAULT_PROXY_SETTINGS, given).warnings.map((warning) => warning.replace(/;[^;]*$/, ''))
  // Names of container ports are allowed there.
  const { wrong } = parsePortSet(given.get(Key.opaquePorts) ?? '', (name) =>
    /^[a-z0-9-]+$/.test(name) ? [] : undefined,
  )
  if (wrong.length > 0) problems.push(`${Key.opaquePorts}: "${wrong.join(',')}" is no list of ports, ranges and names`)
  if (problems.length > 0) throw new ManifestError(problems.join('; '))
}

/** What the installation would know; the proxy trusts nobody without the anchors, so they have to be given. */
async function manualConfig(values: CommandValues): Promise<InjectorConfig> {
  const file = values['identity-trust-anchors-file']
  if (typeof file !== 'string') {
    throw new ManifestError('--manual writes the trust anchors into the pods: give --identity-trust-anchors-file FILE')
  }
  const clusterDomain = String(values['cluster-domain'] ?? DEFAULT_CLUSTER_DOMAIN)
  return injectorConfig({
    trustAnchorsPem: await trustAnchors(file),
    controlPlaneNamespace: String(values['linkerd-namespace'] ?? DEFAULT_CONTROL_PLANE_NS),
    clusterDomain,
    trustDomain: String(values['identity-trust-domain'] ?? clusterDomain),
    createdBy: `weft/cli ${DEFAULT_PROXY_SETTINGS.version}`,
  })
}

async function trustAnchors(file: string): Promise<string> {
  const pem = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new ManifestError(`--identity-trust-anchors-file ${file}: ${error.message}`, { cause: error })
  })
  if (pem.includes('-----BEGIN CERTIFICATE-----')) return pem
  throw new ManifestError(`--identity-trust-anchors-file ${file}: no certificate in it; give a PEM bundle`)
}

function reportText(reports: readonly ObjectReport[]): string {
  const warnings = reports.flatMap((report) => report.warnings)
  if (reports.every(({ result }) => result === 'skipped')) warnings.push('no supported objects found')
  const lines = reports.map(({ object, result, reason }) => line(object, result, reason))
  const warned = warnings.length === 0 ? '' : `${warnings.map((warning) => `‼ ${warning}\n`).join('')}\n`
  return `\n${warned}${lines.join('')}\n`
}

function line({ kind, metadata }: KubeObject, result: string, reason?: string): string {
  if (kind === undefined) return 'document missing "kind" field, skipped\n'
  return `${kind.toLowerCase()} "${metadata?.name ?? ''}" ${result}${reason === undefined ? '' : `: ${reason}`}\n`
}
