/**
 * Names of the one-machine cluster, as Kubernetes defines them (DNS specification 1.1): a question and the objects in,
 * an answer out. No socket and no clock. There is nothing upstream: names outside the cluster do not exist.
 */
import type { Pod } from '../../api/resources/pod.ts'
import { type EndpointSlice, SERVICE_NAME_LABEL, type Service } from '../../api/resources/service.ts'

export interface DnsView {
  readonly clusterDomain: string
  service(namespace: string, name: string): Service | undefined
  namespaceExists(name: string): boolean
  slices(namespace: string): readonly EndpointSlice[]
  pods(namespace: string): readonly Pod[]
}

export type DnsRecord =
  | { readonly type: 'A'; readonly name: string; readonly address: string }
  | { readonly type: 'SRV'; readonly name: string; readonly port: number; readonly target: string }
  | { readonly type: 'CNAME'; readonly name: string; readonly target: string }
  | { readonly type: 'PTR'; readonly name: string; readonly target: string }

export type DnsAnswer =
  /** The name exists; there may still be no record of the type asked for. */
  | { readonly kind: 'found'; readonly answers: readonly DnsRecord[]; readonly additional: readonly DnsRecord[] }
  | { readonly kind: 'nxdomain' }

const NXDOMAIN: DnsAnswer = { kind: 'nxdomain' }
const NO_DATA: DnsAnswer = { kind: 'found', answers: [], additional: [] }

/** @param name without trailing dot; letter case does not matter */
export function answer(view: DnsView, name: string, type: string): DnsAnswer {
  const lower = name.toLowerCase().replace(/\.$/, '')
  if (lower === 'localhost') return type === 'A' ? found([{ type: 'A', name, address: '127.0.0.1' }]) : NO_DATA
  const suffix = `.${view.clusterDomain}`
  if (lower === view.clusterDomain) return NO_DATA
  if (!lower.endsWith(suffix)) return NXDOMAIN
  const labels = lower.slice(0, -suffix.length).split('.')
  const zone = labels.at(-1)
  const namespace = labels.at(-2)
  if (zone !== 'svc' && zone !== 'pod') return NXDOMAIN
  if (namespace === undefined) return NO_DATA
  if (!view.namespaceExists(namespace)) return NXDOMAIN
  const rest = labels.slice(0, -2)
  if (rest.length === 0) return NO_DATA
  return zone === 'pod'
    ? podAnswer(view, name, namespace, rest, type)
    : serviceAnswer(view, name, namespace, rest, type)
}

/** `10-42-0-5.shop.pod.cluster.local` */
function podAnswer(view: DnsView, name: string, namespace: string, labels: readonly string[], type: string): DnsAnswer {
  const address = labels.length === 1 ? labels[0]!.replaceAll('-', '.') : ''
  if (!view.pods(namespace).some(({ status }) => status.podIP === address && address !== '')) return NXDOMAIN
  return type === 'A' ? found([{ type: 'A', name, address }]) : NO_DATA
}

function serviceAnswer(
  view: DnsView,
  name: string,
  namespace: string,
  labels: readonly string[],
  type: string,
): DnsAnswer {
  const service = view.service(namespace, labels.at(-1)!)
  if (service === undefined) return NXDOMAIN
  const { spec, metadata } = service
  const fqdn = `${metadata.name}.${namespace}.svc.${view.clusterDomain}`
  if (spec.type === 'ExternalName') {
    return labels.length === 1 ? aliasAnswer(view, name, spec.externalName ?? '', type) : NXDOMAIN
  }
  const isHeadless = spec.clusterIP === 'None'
  const hosts = isHeadless ? headlessHosts(view, service, fqdn) : []

  if (labels.length === 1) {
    if (type === 'SRV')
      return srv(
        name,
        spec.ports.map(({ port }) => port),
        isHeadless ? hosts : [{ host: fqdn, address: spec.clusterIP }],
      )
    if (type !== 'A') return NO_DATA
    if (isHeadless)
      return hosts.length === 0 ? NXDOMAIN : found(hosts.map(({ address }) => ({ type: 'A', name, address })))
    return found([{ type: 'A', name, address: spec.clusterIP }])
  }
  if (labels.length === 2) {
    const host = hosts.find((each) => each.host === `${labels[0]}.${fqdn}`)
    if (host === undefined) return NXDOMAIN
    return type === 'A' ? found([{ type: 'A', name, address: host.address }]) : NO_DATA
  }
  // _port._protocol.service
  const [portName, protocol] = labels
  if (labels.length !== 3 || !portName!.startsWith('_') || !protocol!.startsWith('_')) return NXDOMAIN
  const port = spec.ports.find(
    (each) => each.name === portName!.slice(1) && each.protocol.toLowerCase() === protocol!.slice(1),
  )
  if (port === undefined) return NXDOMAIN
  if (type !== 'SRV') return NO_DATA
  if (!isHeadless) return srv(name, [port.port], [{ host: fqdn, address: spec.clusterIP }])
  return srv(name, [targetPortOf(view, service, port.name) ?? port.port], hosts)
}

/** Stub resolvers ask once: what the other name stands for comes along where we know it. Aliases of aliases do not. */
function aliasAnswer(view: DnsView, name: string, target: string, type: string): DnsAnswer {
  const alias: DnsRecord = { type: 'CNAME', name, target }
  const [service, namespace] = target.toLowerCase().split('.')
  if (view.service(namespace ?? '', service ?? '')?.spec.type === 'ExternalName') return found([alias])
  const behind = answer(view, target, type)
  return behind.kind === 'found' ? { ...behind, answers: [alias, ...behind.answers] } : found([alias])
}

interface Host {
  readonly host: string
  readonly address: string
}

/** Ready endpoints of a headless service; without a host name of its own a pod is called by its address. */
function headlessHosts(view: DnsView, service: Service, fqdn: string): Host[] {
  return ownSlices(view, service).flatMap(({ endpoints }) =>
    endpoints
      .filter(({ conditions }) => conditions.ready)
      .flatMap(({ addresses, hostname }) =>
        addresses.map((address) => ({ host: `${hostname ?? address.replaceAll('.', '-')}.${fqdn}`, address })),
      ),
  )
}

function targetPortOf(view: DnsView, service: Service, portName: string): number | undefined {
  return ownSlices(view, service)
    .flatMap(({ ports }) => ports)
    .find(({ name }) => name === portName)?.port
}

function ownSlices(view: DnsView, { metadata }: Service): readonly EndpointSlice[] {
  return view.slices(metadata.namespace).filter((slice) => slice.metadata.labels[SERVICE_NAME_LABEL] === metadata.name)
}

function srv(name: string, ports: readonly number[], hosts: readonly Host[]): DnsAnswer {
  if (hosts.length === 0) return NXDOMAIN
  return {
    kind: 'found',
    answers: hosts.flatMap(({ host }) => ports.map((port): DnsRecord => ({ type: 'SRV', name, port, target: host }))),
    additional: hosts.map(({ host, address }) => ({ type: 'A', name: host, address })),
  }
}

function found(answers: readonly DnsRecord[]): DnsAnswer {
  return { kind: 'found', answers, additional: [] }
}

/** `/etc/resolv.conf` of a pod: short names are tried in its own namespace first. */
export function resolvConf(namespace: string, clusterDomain: string, dnsIp: string): string {
  return [
    `nameserver ${dnsIp}`,
    `search ${namespace}.svc.${clusterDomain} svc.${clusterDomain} ${clusterDomain}`,
    'options ndots:5',
    '',
  ].join('\n')
}
