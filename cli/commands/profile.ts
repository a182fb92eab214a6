/** `weft profile`: a ServiceProfile out of the documents that describe a service already. */
import { readFile } from 'node:fs/promises'
import type { Command } from '../command.ts'
import { routesOfOpenApi } from '../profile/open-api.ts'
import { formatProfile, type ProfileFormat, type ProfileTarget, SourceError } from '../profile/profile.ts'
import { routesOfProto } from '../profile/proto.ts'
import { profileTemplate } from '../profile/template.ts'

/** Sources by the option that names them. */
const SOURCES = [
  { option: 'open-api', read: routesOfOpenApi },
  { option: 'proto', read: routesOfProto },
] as const

const DNS_1035_LABEL = /^[a-z]([-a-z0-9]*[a-z0-9])?$/
const DNS_1123_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const DNS_NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/
const MAX_LABEL_LENGTH = 63

export const profile: Command = {
  name: 'profile',
  summary: 'Print a service profile for a service, from its OpenAPI document or its .proto file',
  usage: 'profile (--open-api FILE | --proto FILE | --template) [-n NAMESPACE] SERVICE',
  options: {
    'open-api': { type: 'string' },
    proto: { type: 'string' },
    template: { type: 'boolean', default: false },
    namespace: { type: 'string', short: 'n', default: 'default' },
    'cluster-domain': { type: 'string', default: 'cluster.local' },
    'ignore-cluster': { type: 'boolean', default: false },
    output: { type: 'string', short: 'o', default: 'yaml' },
  },
  async run({ values, positionals, stdin, stdout, stderr }) {
    const [service, ...rest] = positionals
    const target: ProfileTarget = {
      service: service ?? '',
      namespace: String(values.namespace),
      clusterDomain: String(values['cluster-domain']),
    }
    const output = String(values.output)
    const chosen = SOURCES.filter(({ option }) => values[option] !== undefined)
    const problem =
      targetProblem(target, rest) ??
      (output === 'yaml' || output === 'json' ? undefined : `--output ${output}: choose yaml or json`) ??
      (chosen.length + (values.template === true ? 1 : 0) === 1
        ? undefined
        : 'give exactly one of --open-api FILE, --proto FILE and --template')
    if (problem !== undefined) {
      stderr.write(`profile: ${problem}\n`)
      return 1
    }

    const [source] = chosen
    if (source === undefined) {
      stdout.write(profileTemplate(target))
      return 0
    }
    const file = String(values[source.option])
    try {
      const generated = source.read(await readSource(file, stdin), file === '-' ? 'standard input' : file)
      for (const note of generated.notes) stderr.write(`${note}\n`)
      stdout.write(formatProfile(target, generated.routes, output as ProfileFormat))
      return 0
    } catch (error) {
      if (!(error instanceof SourceError) && (error as NodeJS.ErrnoException).code === undefined) throw error
      stderr.write(`profile: ${readProblem(file, error as Error)}\n`)
      return 1
    }
  },
}

function targetProblem(
  { service, namespace, clusterDomain }: ProfileTarget,
  rest: readonly string[],
): string | undefined {
  if (service === '') return 'name the service, for instance: weft profile --proto web.proto web'
  if (rest.length > 0) return `one service at a time; "${rest.join(' ')}" is too much`
  if (!DNS_1035_LABEL.test(service) || service.length > MAX_LABEL_LENGTH) {
    return `"${service}" is not the name of a service: a-z, 0-9 and -, beginning with a letter, at most ${MAX_LABEL_LENGTH}`
  }
  if (!DNS_1123_LABEL.test(namespace) || namespace.length > MAX_LABEL_LENGTH) {
    return `"${namespace}" is not the name of a namespace: a-z, 0-9 and -, at most ${MAX_LABEL_LENGTH}`
  }
  if (!DNS_NAME.test(clusterDomain)) return `"${clusterDomain}" is not a cluster domain such as cluster.local`
  return undefined
}

async function readSource(file: string, stdin: AsyncIterable<Uint8Array | string>): Promise<string> {
  if (file !== '-') return readFile(file, 'utf8')
  const chunks: Buffer[] = []
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString('utf8')
}

function readProblem(file: string, error: Error): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return `${file} does not exist; check the path`
    case 'EACCES':
      return `${file} may not be read by this user`
    case 'EISDIR':
      return `${file} is a directory; name the file in it`
    default:
      return error.message
  }
}
