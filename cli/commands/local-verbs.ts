/** Verbs for a running local cluster, in the manner of kubectl. */
import { readFile } from 'node:fs/promises'
import { findKind, KINDS, type Kind, type Resource } from '../../api/resources/kinds.ts'
import { ClusterClient, ClusterError } from '../../local/api/client.ts'
import { formatObjects, isOutputFormat } from '../../local/object-table.ts'
import type { Command, CommandCall, CommandOptions, CommandValues } from '../command.ts'

const COMMON: CommandOptions = {
  name: { type: 'string', default: 'default' },
  namespace: { type: 'string', short: 'n' },
}

/** What the user should have typed; printed with the usage line. */
export class UsageError extends Error {}

type Run = (client: ClusterClient, call: CommandCall) => Promise<number>

export function verb(
  definition: Omit<Command, 'run' | 'options'> & { readonly options?: CommandOptions },
  run: Run,
): Command {
  const command: Command = {
    ...definition,
    options: { ...COMMON, ...definition.options },
    async run(call) {
      try {
        return await run(new ClusterClient(String(call.values.name)), call)
      } catch (cause) {
        if (!(cause instanceof ClusterError) && !(cause instanceof UsageError)) throw cause
        call.stderr.write(`${cause.message}\n`)
        if (cause instanceof UsageError) call.stderr.write(`usage: weft ${command.usage}\n`)
        return cause instanceof UsageError ? 2 : 1
      }
    },
  }
  return command
}

export const get = verb(
  {
    name: 'local get',
    summary: 'Show objects of the running cluster',
    usage:
      'local get KIND [NAME] [-n NAMESPACE] [-o json|yaml]   (pods, deployments, services, endpoints, serviceprofiles ...)',
    options: {
      output: { type: 'string', short: 'o', default: 'table' },
      'all-namespaces': { type: 'boolean', short: 'A' },
    },
  },
  async (client, { values, positionals, stdout }) => {
    const [what = '', name, ...rest] = positionals
    if (rest.length > 0) throw new UsageError(`"${rest.join(' ')}" is too much`)
    const [kindName = '', slashName] = what.split('/')
    const kind = kindNamed(kindName)
    const output = String(values.output)
    if (!isOutputFormat(output)) throw new UsageError(`--output ${output}: choose table, json or yaml`)
    const only = name ?? slashName
    const objects = await client.call<readonly Resource[]>('GET', '/objects', {
      kind,
      namespace: namespaceOf(values),
      name: only,
    })
    stdout.write(formatObjects(kind, objects, output, Date.now(), only !== undefined))
    return 0
  },
)

export const logs = verb(
  {
    name: 'local logs',
    summary: 'Show what a container wrote',
    usage: 'local logs POD [-c CONTAINER] [-f] [--tail LINES] [-n NAMESPACE]   (POD may be the name of a deployment)',
    options: {
      container: { type: 'string', short: 'c' },
      follow: { type: 'boolean', short: 'f', default: false },
      tail: { type: 'string' },
    },
  },
  async (client, { values, positionals, stdout }) => {
    const name = onePod(positionals)
    const tail = text(values.tail)
    if (tail !== undefined && !/^\d+$/.test(tail)) throw new UsageError(`--tail ${tail}: give a number of lines`)
    const query = { kind: 'Pod', name, namespace: namespaceOf(values), container: text(values.container), tail }
    await client.stream('/logs', { ...query, follow: String(values.follow === true) }, stdout)
    return 0
  },
)

export const exec = verb(
  {
    name: 'local exec',
    summary: 'Run a command in a container',
    usage: 'local exec POD [-c CONTAINER] [-n NAMESPACE] -- COMMAND [ARGUMENTS]',
    options: { container: { type: 'string', short: 'c' }, stdin: { type: 'boolean', short: 'i', default: false } },
  },
  async (client, { values, positionals, stdin, stdout, stderr }) => {
    const [name, ...command] = positionals
    if (name === undefined || command.length === 0) throw new UsageError('name a pod and, behind --, a command')
    const query = {
      kind: 'Pod',
      name: podName(name),
      namespace: namespaceOf(values),
      container: text(values.container),
      command,
    }
    return client.exec(query, stdin, stdout, stderr)
  },
)

export const scale = verb(
  {
    name: 'local scale',
    summary: 'Change the number of replicas of a deployment',
    usage: 'local scale deployment/NAME --replicas NUMBER [-n NAMESPACE]',
    options: { replicas: { type: 'string' } },
  },
  async (client, { values, positionals, stdout }) => {
    const { kind, name } = kindAndName(positionals)
    const replicas = text(values.replicas)
    if (replicas === undefined) throw new UsageError('--replicas is missing')
    const { scaled } = await client.call<{ scaled: string }>('POST', '/scale', {
      kind,
      name,
      namespace: namespaceOf(values),
      replicas,
    })
    stdout.write(`scaled ${scaled}\n`)
    return 0
  },
)

export const apply = verb(
  {
    name: 'local apply',
    summary: 'Create or replace objects from a manifest',
    usage: 'local apply -f FILE|- [-n NAMESPACE]',
    options: { filename: { type: 'string', short: 'f', multiple: true } },
  },
  async (client, { values, positionals, stdin, stdout, stderr }) => {
    const files = [...(Array.isArray(values.filename) ? values.filename.map(String) : []), ...positionals]
    if (files.length === 0) throw new UsageError('name a file with -f, or - for standard input')
    for (const file of files) {
      const manifest = file === '-' ? await readAll(stdin) : await readManifest(file)
      const result = await client.call<{ applied: string[]; notes: string[] }>(
        'POST',
        '/apply',
        { file, namespace: namespaceOf(values) },
        manifest,
      )
      for (const note of result.notes) stderr.write(`${note}\n`)
      for (const name of result.applied) stdout.write(`applied ${name}\n`)
    }
    return 0
  },
)

export const remove = verb(
  { name: 'local delete', summary: 'Delete an object', usage: 'local delete KIND/NAME [-n NAMESPACE]' },
  async (client, { values, positionals, stdout }) => {
    const { kind, name } = kindAndName(positionals)
    const { deleted } = await client.call<{ deleted: string }>('POST', '/delete', {
      kind,
      name,
      namespace: namespaceOf(values),
    })
    stdout.write(`deleted ${deleted}\n`)
    return 0
  },
)

function kindNamed(name: string): Kind {
  const kind = findKind(name)
  if (kind !== undefined) return kind
  const known = Object.values(KINDS).map(({ plural }) => plural)
  throw new UsageError(
    name === '' ? `name a kind: ${known.join(', ')}` : `"${name}" is not a kind; there are ${known.join(', ')}`,
  )
}

/** `deployment/web` or `deployment web`. */
function kindAndName(positionals: readonly string[]): { readonly kind: Kind; readonly name: string } {
  const [kind, name, ...rest] = positionals.flatMap((word, index) => (index === 0 ? word.split('/') : [word]))
  if (kind === undefined || name === undefined || rest.length > 0) throw new UsageError('name one object as KIND/NAME')
  return { kind: kindNamed(kind), name }
}

function onePod(positionals: readonly string[]): string {
  const [name, ...rest] = positionals
  if (name === undefined || rest.length > 0) throw new UsageError('name one pod')
  return podName(name)
}

/** Without the kind that may stand before it: `deployment/web`. */
export function podName(name: string): string {
  return name.replace(/^(pod|po|deploy|deployment)\//, '')
}

export function namespaceOf(values: CommandValues): string | undefined {
  return text(values.namespace)
}

export function text(value: CommandValues[string]): string | undefined {
  return typeof value === 'string' ? value : undefined
}

async function readManifest(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    throw new ClusterError(
      `${file} cannot be read: ${code === 'ENOENT' ? 'there is no such file; check the path' : message}`,
    )
  }
}

async function readAll(stream: AsyncIterable<Buffer | string>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString('utf8')
}
