/**
 * Private memory of the proxies: idle, per idle connection, per open stream, under many connections with moderate
 * traffic, and afterwards. Nothing here depends on time, so both products are measured at once.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Bed, clientTls } from '../bed.ts'
import type { LoadSpec } from '../cases.ts'
import { MESSAGE_BYTES, ORIGINS } from '../origin-ports.ts'
import type { Pair } from '../peers/haproxy.ts'
import { NODE, PAIR_OFFSET, VIP } from '../pods.ts'
import { privateBytesOfTree } from '../process-stat.ts'
import type { ConnectionMemory, MemoryResult, Sides } from '../results.ts'
import { type HeldLoad, holdLoad, type Route, runLoad } from '../run-load.ts'
import { median } from '../statistics.ts'
import { SETTLE_MS } from './loads.ts'
import type { SectionContext } from './section.ts'

const CONNECTIONS = 1_000
/** On every connection before it stays idle: what is kept is that of a connection that was used. */
const REQUESTS = 10
/** Each way on every stream before it stays open: enough for a sidecar to see a burst, after which it tidies up. */
const MESSAGES = 200
/** Many more reads than a sidecar takes for rest. */
const BURST = { connections: 32, streams: 1 } as const
const BURST_TIMING = { warmupSeconds: 1, seconds: 3, pids: [] } as const
const RATE_PER_SECOND = 5_000
const SAMPLE_MS = 250

const H1: LoadSpec = { kind: 'h1', connections: CONNECTIONS }
const STREAMS: LoadSpec = {
  kind: 'grpc',
  connections: 10,
  streams: 100,
  bodyBytes: MESSAGE_BYTES,
  messages: MESSAGES,
}

/** One process, and how connections reach it. */
interface Watched {
  readonly name: 'weft' | 'peer'
  readonly client: 'tls' | 'plain'
  readonly pid: number
  readonly route: Route
}

export async function measureMemory(bed: Bed, context: SectionContext): Promise<MemoryResult> {
  const bystanders = []
  for (const pod of bed.bystanders) bystanders.push(await bed.startSidecar(pod))
  const weft = await bed.startWeft()
  const idle = [...bystanders.map((sidecar) => sidecar.process), weft.outbound, weft.inbound]
  await sleep(SETTLE_MS)
  const idleBytes = {
    weft: median(idle.map(({ pid }) => privateBytesOfTree(pid!))),
    peer: privateBytesOfTree(bed.peer.outbound.pid!),
  }
  context.say(`idle: ${megabytes(idleBytes.weft)}`)

  const perConnectionBytes = await perConnection(bed, weft)
  for (const { client, weft: bytes } of perConnectionBytes) {
    context.say(`idle connection, client side ${client}: ${(bytes / 1_024).toFixed(1)} KB`)
  }
  const per1000StreamsBytes = await perStreams(bed, weft)
  context.say(`1,000 open streams: ${megabytes(per1000StreamsBytes.weft.outbound)} outbound`)
  const loaded = await whileLoaded(bed, weft, context)
  context.say(
    `${CONNECTIONS} connections with ${RATE_PER_SECOND}/s: at most ${megabytes(loaded.weft.outbound)} outbound, ${megabytes(loaded.weft.inbound)} inbound`,
  )
  await sleep(SETTLE_MS)
  const afterBytes = { weft: bytesOf(weft), peer: bytesOf(bed.peer) }
  context.say(`afterwards: ${megabytes(afterBytes.weft.outbound)} outbound`)
  return { idleBytes, perConnectionBytes, per1000StreamsBytes, loaded, afterBytes }
}

function bytesOf({ outbound, inbound }: Pair): Sides {
  return { outbound: privateBytesOfTree(outbound.pid!), inbound: privateBytesOfTree(inbound.pid!) }
}

async function perConnection(bed: Bed, weft: Pair): Promise<ConnectionMemory[]> {
  const { port } = ORIGINS.h1
  const direct = { netns: NODE, host: bed.server.ip, tls: clientTls(false) }
  const watched: readonly Watched[] = [
    { name: 'weft', client: 'plain', pid: weft.outbound.pid!, route: bed.route('weft', VIP.weft, port) },
    {
      ...{ name: 'peer', client: 'plain', pid: bed.peer.outbound.pid! },
      route: bed.route(bed.peer.name, VIP.haproxy, port),
    },
    { name: 'weft', client: 'tls', pid: weft.inbound.pid!, route: { ...direct, through: 'weft', port } },
    {
      ...{ name: 'peer', client: 'tls', pid: bed.peer.inbound.pid! },
      route: { ...direct, through: bed.peer.name, port: port + PAIR_OFFSET },
    },
  ]
  const grown = await growth(
    () => watched.map(({ pid }) => privateBytesOfTree(pid)),
    watched.map(({ route }) => [route, H1]),
    REQUESTS,
  )
  const of = (client: 'tls' | 'plain', name: 'weft' | 'peer') =>
    grown[watched.findIndex((each) => each.client === client && each.name === name)]! / CONNECTIONS
  return (['tls', 'plain'] as const).map((client) => ({ client, weft: of(client, 'weft'), peer: of(client, 'peer') }))
}

async function perStreams(bed: Bed, weft: Pair): Promise<MemoryResult['per1000StreamsBytes']> {
  const { port } = ORIGINS.grpc
  const pids = [weft.outbound, weft.inbound, bed.peer.outbound, bed.peer.inbound].map(({ pid }) => pid!)
  const grown = await growth(
    () => pids.map(privateBytesOfTree),
    [
      [bed.route('weft', VIP.weft, port), STREAMS],
      [bed.route(bed.peer.name, VIP.haproxy, port), STREAMS],
    ],
    1,
  )
  const [weftOut, weftIn, peerOut, peerIn] = grown as [number, number, number, number]
  return { weft: { outbound: weftOut, inbound: weftIn }, peer: { outbound: peerOut, inbound: peerIn } }
}

/**
 * By how much the readings grow while the loads are held. The same was there once before, so that what is needed only
 * once (compiled code, pools, the size of the heap) is in the base; then a burst, since a sidecar tidies up when one has
 * ended, not when connections that had long been idle are closed.
 */
async function growth(
  read: () => number[],
  loads: readonly (readonly [Route, LoadSpec])[],
  requests: number,
): Promise<number[]> {
  // One after the other: a thousand handshakes at once would make everybody else wait.
  const hold = async () => {
    const held: HeldLoad[] = []
    for (const [route, load] of loads) held.push(await holdLoad(route, load, requests))
    return held
  }
  for (const held of await hold()) await held.release()
  for (const [route, load] of loads) await runLoad(route, { ...load, ...BURST }, BURST_TIMING)
  await sleep(SETTLE_MS)
  const base = read()
  const held = await hold()
  await sleep(SETTLE_MS)
  const full = read()
  for (const each of held) await each.release()
  return full.map((value, index) => value - base[index]!)
}

async function whileLoaded(bed: Bed, weft: Pair, { timing }: SectionContext): Promise<MemoryResult['loaded']> {
  const run = async (pair: Pair, vip: string): Promise<Sides> => {
    const highest = { outbound: 0, inbound: 0 }
    const sample = setInterval(() => {
      const { outbound, inbound } = bytesOf(pair)
      highest.outbound = Math.max(highest.outbound, outbound)
      highest.inbound = Math.max(highest.inbound, inbound)
    }, SAMPLE_MS)
    try {
      await runLoad(bed.route(pair.name, vip, ORIGINS.h1.port), H1, {
        ...timing,
        pids: [],
        ratePerSecond: RATE_PER_SECOND,
      })
    } finally {
      clearInterval(sample)
    }
    return highest
  }
  return {
    connections: CONNECTIONS,
    ratePerSecond: RATE_PER_SECOND,
    weft: await run(weft, VIP.weft),
    peer: await run(bed.peer, VIP.haproxy),
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
