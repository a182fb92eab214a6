/**
 * The process of many proxies: what a sidecar has to do with the control plane, with its own gRPC client, and nothing
 * else. Each has its two connections and a stream per question; messages are counted and dropped.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { GetDestinationTable } from '../../api/gen/destination_tables.ts'
import { PortSpecTable } from '../../api/gen/inbound_tables.ts'
import { TrafficSpecTable } from '../../api/gen/outbound_tables.ts'
import { tcpAddressToMessage } from '../../api/ip.ts'
import { encode } from '../../api/messages/codec.ts'
import { controlBackoff, GrpcChannel } from '../../proxy/discovery/grpc-client.ts'
import { StreamWatch } from '../../proxy/discovery/stream-watch.ts'
import { REAL_TIMERS } from '../../proxy/io/timers.ts'
import { CHANGES } from './changes.ts'
import {
  clusterIpOf,
  type MeshProxy,
  namespaceOf,
  proxyAt,
  type Question,
  SERVICE_PORT,
  serviceName,
} from './cluster.ts'
import { monotonicMs, type Outcome, type ProxiesOptions, type ProxiesRequest, type States, serve } from './messages.ts'

const POLL_MS = 10

interface Stream {
  readonly proxy: MeshProxy
  readonly question: Question
  /** Since the change that is measured. */
  readonly atMs: number[]
  isConcerned: boolean
  /** Of the first message on the newest stream; 0 without. */
  stateAtMs: number
}

const streams: Stream[] = []
let options: ProxiesOptions

async function start(given: ProxiesOptions): Promise<object> {
  options = given
  for (let index = given.first; index < given.size.proxies; index += given.step) open(proxyAt(given.size, index))
  return {}
}

function open(proxy: MeshProxy): void {
  const common = { timers: REAL_TIMERS, random: Math.random }
  const { destination, policy } = options.addresses
  const channels = {
    destination: new GrpcChannel({ target: destination, ...common }),
    policy: new GrpcChannel({ target: policy, ...common }),
  }
  for (const question of proxy.questions) {
    const stream: Stream = { proxy, question, atMs: [], isConcerned: false, stateAtMs: 0 }
    streams.push(stream)
    const { path, channel, request } = callOf(proxy, question)
    new StreamWatch({
      channel: channels[channel],
      path,
      request,
      limits: {},
      backoff: controlBackoff(undefined, channels[channel].target),
      isReissuedAtOnce: question.kind !== 'endpoints',
      terminal: new Set(),
      ...common,
      onMessage: () => {
        const nowMs = monotonicMs()
        stream.atMs.push(nowMs)
        if (stream.stateAtMs === 0) stream.stateAtMs = nowMs
      },
      onTerminal: () => {},
      onFailure: () => {},
    })
  }
}

function callOf({ namespace, pod }: MeshProxy, question: Question) {
  const workload = JSON.stringify({ ns: namespace, pod })
  const contextToken = JSON.stringify({ ns: namespace, nodeName: 'node-a', pod })
  if (question.kind === 'port') {
    return {
      channel: 'policy',
      path: '/io.linkerd.proxy.inbound.InboundServerPolicies/WatchPort',
      request: encode(PortSpecTable, { workload, port: question.port }),
    } as const
  }
  const { service } = question
  const address = { ip: clusterIpOf(service), port: SERVICE_PORT }
  switch (question.kind) {
    case 'policy':
      return {
        channel: 'policy',
        path: '/io.linkerd.proxy.outbound.OutboundPolicies/Watch',
        request: encode(TrafficSpecTable, {
          sourceWorkload: workload,
          target: { case: 'addr', value: tcpAddressToMessage(address) },
        }),
      } as const
    case 'profile':
      return {
        channel: 'destination',
        path: '/io.linkerd.proxy.destination.Destination/GetProfile',
        request: encode(GetDestinationTable, { path: `${address.ip}:${address.port}`, contextToken }),
      } as const
    case 'endpoints': {
      const name = `${serviceName(service)}.${namespaceOf(options.size, service)}.svc.cluster.local`
      return {
        channel: 'destination',
        path: '/io.linkerd.proxy.destination.Destination/Get',
        request: encode(GetDestinationTable, { path: `${name}:${SERVICE_PORT}`, contextToken }),
      } as const
    }
  }
}

async function answer(request: ProxiesRequest): Promise<object> {
  switch (request.kind) {
    case 'expect': {
      const { concerns } = CHANGES.find(({ name }) => name === request.change)!
      for (const stream of streams) {
        stream.atMs.length = 0
        stream.isConcerned = concerns(options.size, stream.proxy, stream.question)
      }
      return {}
    }
    case 'outcome': {
      const concerned = streams.filter(({ isConcerned }) => isConcerned)
      await until(request.timeoutMs, () => concerned.every(({ atMs }) => atMs.length > 0))
      await sleep(request.settleMs)
      return outcome(concerned)
    }
    case 'forget':
      for (const stream of streams) stream.stateAtMs = 0
      return {}
    case 'states':
      await until(request.timeoutMs, () => streams.every(({ stateAtMs }) => stateAtMs > 0))
      return states()
  }
}

function outcome(concerned: readonly Stream[]): Outcome {
  const others = streams.filter(({ isConcerned }) => !isConcerned)
  return {
    concerned: concerned.length,
    atMs: concerned.flatMap(({ atMs }) => atMs[0] ?? []),
    stray: others.reduce((sum, { atMs }) => sum + atMs.length, 0),
    repeated: concerned.reduce((sum, { atMs }) => sum + Math.max(0, atMs.length - 1), 0),
  }
}

function states(): States {
  const byProxy = Map.groupBy(streams, ({ proxy }) => proxy)
  const complete = [...byProxy.values()].filter((own) => own.every(({ stateAtMs }) => stateAtMs > 0))
  return {
    atMs: complete.map((own) => Math.max(...own.map(({ stateAtMs }) => stateAtMs))),
    streams: streams.length,
    missing: streams.filter(({ stateAtMs }) => stateAtMs === 0).length,
  }
}

async function until(timeoutMs: number, isDone: () => boolean): Promise<void> {
  for (const endMs = monotonicMs() + timeoutMs; !isDone() && monotonicMs() < endMs; ) await sleep(POLL_MS)
}

serve(start, answer)
