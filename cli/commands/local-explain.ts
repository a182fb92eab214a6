/** `weft local explain`: what the proxy of a pod would do with a request, asked at its admin port from within the pod. */
import { Readable } from 'node:stream'
import { parseIp } from '../../api/ip.ts'
import type { Pod } from '../../api/resources/pod.ts'
import type { Service } from '../../api/resources/service.ts'
import { ContainerName, Port } from '../../api/vocabulary.ts'
import type { ClusterClient } from '../../local/api/client.ts'
import type { CommandValues } from '../command.ts'
import { namespaceOf, podName, text, UsageError, verb } from './local-verbs.ts'

/** What the question is put with: the proxy's own Node, in the pod's network. */
const ASK = `
let head = ''
process.stdin.setEncoding('utf8')
process.stdin.on('data', (chunk) => { head += chunk })
process.stdin.on('end', async () => {
  try {
    const response = await fetch(process.argv[1], { method: 'POST', body: head })
    ;(response.ok ? process.stdout : process.stderr).write(await response.text())
    if (!response.ok) process.exitCode = 1
  } catch (error) {
    process.stderr.write('the proxy does not answer at ' + process.argv[1] + ': ' + (error.cause ?? error).message + '\\n')
    process.exitCode = 1
  }
})`

export const explain = verb(
  {
    name: 'local explain',
    summary: 'Say what the proxy of a pod would do with a request, and why',
    usage:
      "local explain POD 'GET /path' [-H 'name: value']... [-n NAMESPACE] [--http2] [-o text|json]\n" +
      '         --to SERVICE[.NAMESPACE]:PORT | --to ADDRESS:PORT      a request that the pod sends\n' +
      '         --port PORT --from IDENTITY|none [--address IP]        a request that it receives',
    options: {
      header: { type: 'string', short: 'H', multiple: true },
      to: { type: 'string' },
      port: { type: 'string' },
      from: { type: 'string' },
      address: { type: 'string' },
      http2: { type: 'boolean', default: false },
      output: { type: 'string', short: 'o', default: 'text' },
    },
  },
  async (client, { values, positionals, stdout, stderr }) => {
    const [pod, line, ...rest] = positionals
    if (pod === undefined || line === undefined || rest.length > 0)
      throw new UsageError("name a pod and a request line such as 'GET /path'")
    const output = String(values.output)
    if (output !== 'text' && output !== 'json') throw new UsageError(`--output ${output}: choose text or json`)
    const { parameters, host } = await questionOf(client, podName(pod), values)
    const query = new URLSearchParams({ ...parameters, format: output, ...(values.http2 === true && { http: '2' }) })
    const url = `http://127.0.0.1:${Port.admin}/explain?${query}`
    const where = {
      kind: 'Pod',
      name: podName(pod),
      namespace: namespaceOf(values),
      container: ContainerName.proxy,
      command: [process.execPath, '-e', ASK, url],
    }
    return client.exec(where, Readable.from([headOf(line, listOf(values.header), host)]), stdout, stderr)
  },
)

interface Asked {
  readonly parameters: Readonly<Record<string, string>>
  /** Where no `-H host` says it. */
  readonly host: string
}

async function questionOf(client: ClusterClient, pod: string, values: CommandValues): Promise<Asked> {
  const [to, port, from] = [text(values.to), text(values.port), text(values.from)]
  if (to !== undefined) {
    if (port !== undefined || from !== undefined)
      throw new UsageError('--to is about a request that the pod sends, --port and --from about one that it receives')
    return outbound(client, to, namespaceOf(values) ?? 'default')
  }
  if (port === undefined || from === undefined) throw new UsageError('give --to, or --port and --from')
  const address = text(values.address) ?? (await addressOf(client, pod, namespaceOf(values)))
  return { parameters: { direction: 'inbound', port, client: from, address }, host: 'localhost' }
}

/** The address that an application dials when it asks for a Service by name. */
async function outbound(client: ClusterClient, to: string, ownNamespace: string): Promise<Asked> {
  const [, host = '', port = ''] = /^(.+):(\d+)$/.exec(to) ?? []
  if (port === '') throw new UsageError(`--to ${to}: give SERVICE.NAMESPACE:PORT or ADDRESS:PORT`)
  if (parseIp(host.replace(/^\[(.*)\]$/, '$1')) !== undefined)
    return { parameters: { direction: 'outbound', target: to }, host: to }
  const [name = '', namespace = ownNamespace] = host.split('.')
  const [service] = await client.call<readonly Service[]>('GET', '/objects', { kind: 'Service', name, namespace })
  const ip = service?.spec.clusterIP ?? ''
  if (parseIp(ip) === undefined)
    throw new UsageError(`Service ${name}.${namespace} has no address of its own; give that of one of its pods`)
  const target = ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
  return { parameters: { direction: 'outbound', target }, host: port === '80' ? host : to }
}

/** Where a client of the pod's network would be: without --address nobody in particular asks. */
async function addressOf(client: ClusterClient, name: string, namespace: string | undefined): Promise<string> {
  const pods = await client.call<readonly Pod[]>('GET', '/objects', { kind: 'Pod', namespace })
  const meant = pods.find(
    ({ metadata }) => metadata.name === name || metadata.ownerReferences.some((owner) => owner.name === name),
  )
  const ip = meant?.status?.podIP
  if (ip === undefined || ip === '') throw new UsageError('give the address of the client with --address')
  return ip
}

function headOf(line: string, fields: readonly string[], host: string): string {
  for (const part of [line, ...fields])
    if (/[\r\n]/.test(part)) throw new UsageError(`${JSON.stringify(part)} is more than one line`)
  const version = / HTTP\/\d(\.\d)?$/.test(line) ? '' : ' HTTP/1.1'
  const named = fields.some((field) => /^host:/i.test(field)) ? [] : [`Host: ${host}`]
  return [`${line}${version}`, ...named, ...fields, '', ''].join('\r\n')
}

function listOf(value: CommandValues[string]): readonly string[] {
  return Array.isArray(value) ? value.map(String) : []
}
