/** `weft local`: ordinary Kubernetes manifests as processes of this machine, meshed. */
import { readFileSync } from 'node:fs'
import { parseDurationMs } from '../../api/duration.ts'
import { DEFAULT_CLUSTER_DOMAIN } from '../../api/vocabulary.ts'
import { type StartOptions, startCluster } from '../../local/start.ts'
import type { PemText } from '../../local/supervisor-config.ts'
import { watchCluster } from '../../local/watch.ts'
import type { Command, CommandOptions, CommandValues } from '../command.ts'

export const RUN_OPTIONS: CommandOptions = {
  name: { type: 'string', default: 'default' },
  for: { type: 'string' },
  json: { type: 'boolean', default: false },
  'cluster-domain': { type: 'string', default: DEFAULT_CLUSTER_DOMAIN },
  'trust-anchors': { type: 'string' },
  'issuer-certificate': { type: 'string' },
  'issuer-key': { type: 'string' },
  'identity-issuance-lifetime': { type: 'string', default: '24h' },
  'identity-clock-skew-allowance': { type: 'string', default: '20s' },
}

export const local: Command = {
  name: 'local',
  summary: 'Run Kubernetes manifests on this machine, meshed',
  usage:
    'local PATH... [--for 20s] [--json] [--name NAME] [--workdir DIR]\n' +
    '       [--trust-anchors FILE --issuer-certificate FILE --issuer-key FILE]\n' +
    '       [--identity-issuance-lifetime 24h] [--identity-clock-skew-allowance 20s]\n' +
    '       PATH is a file or directory of manifests; commands in them start in DIR (default: here).\n' +
    '       With the cluster running: weft local get|logs|exec|explain|scale|apply|delete --help',
  options: { ...RUN_OPTIONS, workdir: { type: 'string' } },
  async run({ values, positionals, stdout, stderr }) {
    const startedAtMs = Date.now()
    const say = (sentence: string) => void stderr.write(`${sentence}\n`)
    if (positionals.length === 0) {
      say('name files or directories of manifests, for instance: weft local app.yaml')
      return 2
    }
    const settings = readRunSettings(values)
    if (typeof settings === 'string') {
      say(settings)
      return 2
    }
    const cluster = await startCluster({
      ...settings.start,
      paths: positionals,
      workingDir: typeof values.workdir === 'string' ? values.workdir : process.cwd(),
      startedAtMs,
      say,
    })
    if (!('ready' in cluster)) {
      for (const sentence of cluster) say(sentence)
      return 1
    }
    return watchCluster(cluster, {
      forMs: settings.forMs,
      isJson: settings.isJson,
      stdout,
      stderr,
      title: `weft local: ${positionals.join(' ')} (Ctrl-C ends it)`,
    })
  },
}

export interface RunSettings {
  readonly start: Pick<StartOptions, 'name' | 'clusterDomain' | 'issuer' | 'leaf'>
  readonly forMs: number | undefined
  readonly isJson: boolean
}

/** The options that `local` and `demo` share, or one sentence about a wrong one. */
export function readRunSettings(values: CommandValues): RunSettings | string {
  let forMs: number | undefined
  if (values.for !== undefined) {
    forMs = parseDurationMs(String(values.for))
    if (forMs === undefined || forMs === 0) return `--for ${values.for}: give a duration such as 20s or 5m`
  }
  const issuer = readIssuer(values)
  if (typeof issuer === 'string') return issuer
  const lifetimeMs = parseDurationMs(String(values['identity-issuance-lifetime']))
  if (lifetimeMs === undefined || lifetimeMs === 0)
    return `--identity-issuance-lifetime ${values['identity-issuance-lifetime']}: give a duration such as 10m or 24h`
  const clockSkewMs = parseDurationMs(String(values['identity-clock-skew-allowance']))
  if (clockSkewMs === undefined)
    return `--identity-clock-skew-allowance ${values['identity-clock-skew-allowance']}: give a duration such as 20s`
  return {
    start: {
      leaf: { lifetimeMs, clockSkewMs },
      name: String(values.name),
      clusterDomain: String(values['cluster-domain']),
      ...(issuer === undefined ? {} : { issuer }),
    },
    forMs,
    isJson: values.json === true,
  }
}

function readIssuer(values: CommandValues): NonNullable<StartOptions['issuer']> | string | undefined {
  const names = ['trust-anchors', 'issuer-certificate', 'issuer-key'] as const
  const given = names.filter((name) => values[name] !== undefined)
  if (given.length === 0) return undefined
  if (given.length < names.length)
    return `--${given[0]} needs the others too: ${names.map((name) => `--${name}`).join(', ')}`
  try {
    const [anchors, certificate, privateKey] = names.map((name): PemText => {
      const from = String(values[name])
      return { pem: readFileSync(from, 'utf8'), from }
    }) as [PemText, PemText, PemText]
    return { anchors, certificate, privateKey }
  } catch (cause) {
    return `${(cause as NodeJS.ErrnoException).path}: ${(cause as Error).message}; check the path and its rights`
  }
}
