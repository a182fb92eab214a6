/**
 * What a TLS handshake costs each side. The other end of the proxy's connection is a client or server of the benchmark
 * on node:tls, which decides whether sessions can be resumed and sees whether they were; so the figure is one proxy's,
 * in one role. The same connections in clear text say what of it is not TLS.
 */
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Bed, CREDENTIALS, clientTls } from '../bed.ts'
import type { LoadSpec } from '../cases.ts'
import type { LoadResult } from '../load/load.ts'
import { ORIGINS } from '../origin-ports.ts'
import { TLS_ECHO_PORT } from '../peers/haproxy-config.ts'
import { HOP_OFFSET, NODE, PAIR_OFFSET, VIP } from '../pods.ts'
import type { HandshakeResult, HandshakeSide } from '../results.ts'
import { type Route, runLoad } from '../run-load.ts'
import { sum } from '../statistics.ts'
import { attempt, type SectionContext } from './section.ts'

/** Enough to keep a proxy busy, few enough that a handshake does not wait for others. */
const LOAD: LoadSpec = { kind: 'connect', connections: 16 }

const LOOPBACK = '127.0.0.1'
const INBOUND_PORT = 4143

interface Subject {
  readonly name: string
  readonly pid: number
  /** Clear text all the way. */
  readonly clear: Route
}

interface OutboundSubject extends Subject {
  readonly side: 'outbound'
  /** To the TLS server of the benchmark. */
  readonly tls: Route
}

interface InboundSubject extends Subject {
  readonly side: 'inbound'
  /** From a TLS client of the benchmark, which has no proxy in front of it. */
  readonly tls: (resumes: boolean) => Route
}

export async function measureHandshakes(bed: Bed, context: SectionContext): Promise<HandshakeResult[]> {
  const weft = await bed.startWeft()
  const { port } = ORIGINS.echo
  const fromNode = (through: string, at: number, resumes?: boolean): Route => ({
    through,
    netns: NODE,
    host: bed.server.ip,
    port: at,
    ...(resumes === undefined ? {} : { tls: clientTls(resumes) }),
  })
  const { peer } = bed
  const subjects: readonly (OutboundSubject | InboundSubject)[] = [
    {
      ...{ name: weft.name, side: 'outbound', pid: weft.outbound.pid! },
      clear: bed.route(weft.name, VIP.weftHop, port),
      tls: bed.route(weft.name, VIP.weftTls, port),
    },
    {
      ...{ name: peer.name, side: 'outbound', pid: peer.outbound.pid! },
      clear: bed.route(peer.name, VIP.haproxyHop, port),
      tls: bed.route(peer.name, LOOPBACK, TLS_ECHO_PORT),
    },
    {
      ...{ name: weft.name, side: 'inbound', pid: weft.inbound.pid! },
      clear: fromNode(weft.name, port),
      // As an outbound proxy connects for opaque bytes: to the inbound port itself, the only one that gives tickets.
      tls: (resumes) => {
        const route = fromNode(weft.name, INBOUND_PORT, resumes)
        return { ...route, tls: { ...route.tls!, headerPort: port } }
      },
    },
    {
      ...{ name: peer.name, side: 'inbound', pid: peer.inbound.pid! },
      clear: fromNode(peer.name, port + HOP_OFFSET),
      tls: (resumes) => fromNode(peer.name, port + PAIR_OFFSET, resumes),
    },
  ]
  const results: HandshakeResult[] = []
  for (const subject of subjects) {
    const what = `handshakes ${subject.name} ${subject.side}`
    const result = await attempt(context, what, () => measureSubject(bed, subject, context))
    if (result === undefined) continue
    results.push(result)
    const { clearUs, full, resumed } = result
    context.say(
      `${what}: full ${(full.connectionUs - clearUs).toFixed(0)} µs, resumed ${(resumed.connectionUs - clearUs).toFixed(0)} µs (${(resumed.resumedShare * 100).toFixed(0)} % of the handshakes were)`,
    )
  }
  return results
}

/** The three kinds of connections take turns, like the sides of a load. */
async function measureSubject(
  bed: Bed,
  subject: OutboundSubject | InboundSubject,
  context: SectionContext,
): Promise<HandshakeResult> {
  const rounds = { clear: [] as LoadResult[], full: [] as Tls[], resumed: [] as Tls[] }
  for (let round = 0; round < context.timing.rounds; round++) {
    rounds.clear.push(await run(subject.clear, subject, context))
    rounds.full.push(await withTls(bed, subject, context, false))
    rounds.resumed.push(await withTls(bed, subject, context, true))
  }
  const perConnection = (results: readonly LoadResult[]) =>
    (sum(results, (each) => each.cpuSeconds[0]!) / sum(results, (each) => each.requests)) * 1e6
  const side = (tls: readonly Tls[]): HandshakeSide => {
    const results = tls.map(({ result }) => result)
    const counted = (value: (counts: Counts) => number) => tls.reduce((total, { counts }) => total + value(counts), 0)
    return {
      connectionUs: perConnection(results),
      resumedShare: counted(({ resumed }) => resumed) / counted(({ handshakes }) => handshakes),
      perSecond: sum(results, (each) => each.requests) / sum(results, (each) => each.seconds),
    }
  }
  return {
    name: subject.name,
    side: subject.side,
    clearUs: perConnection(rounds.clear),
    full: side(rounds.full),
    resumed: side(rounds.resumed),
  }
}

interface Counts {
  readonly handshakes: number
  readonly resumed: number
}

interface Tls {
  readonly result: LoadResult
  /** Of the other end. */
  readonly counts: Counts
}

function run(route: Route, { pid }: Subject, { timing }: SectionContext): Promise<LoadResult> {
  return runLoad(route, LOAD, { ...timing, pids: [pid] })
}

async function withTls(
  bed: Bed,
  subject: OutboundSubject | InboundSubject,
  context: SectionContext,
  resumes: boolean,
): Promise<Tls> {
  if (subject.side === 'inbound') {
    const result = await run(subject.tls(resumes), subject, context)
    if (result.tls === undefined) throw new Error('the client did not count its handshakes')
    return { result, counts: result.tls }
  }
  const server = bed.spawn(bed.tlsPeer, [
    ...[process.execPath, join(import.meta.dirname, '..', 'load', 'tls-echo.ts')],
    ...['--cert', CREDENTIALS.certFile, '--ca', CREDENTIALS.caFile],
    ...(resumes ? ['--tickets'] : []),
  ])
  server.stderr?.pipe(process.stderr)
  const said = createInterface({ input: server.stdout! })
  await once(said, 'line')
  try {
    const result = await run(subject.tls, subject, context)
    const counted = once(said, 'line')
    server.kill('SIGTERM')
    const [line] = await counted
    return { result, counts: JSON.parse(String(line)) as Counts }
  } finally {
    server.kill('SIGKILL')
  }
}
