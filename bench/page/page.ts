/** `docs/performance.md` from the results of one run and what people wrote beside it. */
import { CASES } from '../cases.ts'
import { costOf, cpuRatio, rateRatio, spread } from '../ratios.ts'
import { percent } from '../report.ts'
import type {
  BenchResults,
  HandshakeResult,
  HopResult,
  LatencyResult,
  LoadsResult,
  MemoryResult,
  Percentiles,
  PoliciesResult,
  Sides,
} from '../results.ts'
import { verdicts } from '../targets.ts'
import { TURN_MS } from '../turn-load.ts'

/** Load average per core above which something else was running. */
const BUSY_PER_CORE = 0.5

/** @param optimisations the hand-written part, in Markdown: a page of its own, whose headings move one level down */
export function formatPage(results: BenchResults, optimisations: string): string {
  const { loads, latency, handshakes, memory, hops, policies, start } = results
  const sections = [
    introduction(results),
    targets(results),
    loads && loadsSection(loads),
    latency && latencySection(latency),
    handshakes && handshakesSection(handshakes),
    memory && memorySection(memory, loads),
    start &&
      section(
        'Start',
        `From the creation of the process until \`/ready\` answers 200, with the control plane up: **${start.toReadyMs.toFixed(0)} ms** (median of ${start.starts}).`,
      ),
    policies && policiesSection(policies),
    hops && hopsSection(hops),
    failures(results),
    optimisations.trim().replaceAll(/^#(?=#* )/gm, '##'),
  ]
  return `${sections.filter((each) => each !== undefined && each !== '').join('\n\n')}\n`
}

function introduction({ machine, timing, proxyCores }: BenchResults): string {
  const { cpu, cores, kernel, node, date, loadBefore, peers } = machine
  const pinned =
    proxyCores === 1
      ? 'Every proxy has one thread and is pinned to one core, outbound to the first, inbound to the second.'
      : `Every proxy may use ${proxyCores} cores; none is pinned.`
  return [
    '# Performance',
    '',
    '<!-- Made by `npm run bench -- --write`; by hand only bench/page/optimisations.md, then `npm run bench:page`. -->',
    '',
    'What two meshed pods cost with Weft, and with a pair of haproxy processes doing mutual TLS between the same two pods: same',
    'client, same applications, same redirects, one run, in turns. Every request has 15 fields and its own path, request id and',
    'trace context. [bench/README.md](../bench/README.md) says how each figure is measured and how to make them yourself.',
    '',
    `- Measured on ${date}: ${cpu}, ${cores} cores, Linux ${kernel}, Node ${node}; against ${peers.join(', ')}.`,
    `- ${timing.rounds} rounds of ${timing.seconds} s for each side in turn, each after ${timing.warmupSeconds} s of the same load as warm-up, which is not counted.`,
    `- ${pinned} Client and applications run where there is room.`,
    '- Ratios hold from machine to machine, absolute figures do not.',
    ...(loadBefore < BUSY_PER_CORE * cores
      ? []
      : [
          `- **The machine was busy with other things** (load ${loadBefore.toFixed(1)} on ${cores} cores in the minute before): of these figures, ratios of CPU and memory say something; rates, latencies and the start do not.`,
        ]),
  ].join('\n')
}

function targets(results: BenchResults): string {
  const rows = verdicts(results).map(({ what, target, measured, isMet }) => [
    what,
    target,
    measured,
    isMet ? 'met' : '**missed**',
  ])
  if (rows.length === 0) return ''
  return section('What was asked for, and what came out', table(['', 'target', 'measured', ''], rows))
}

function loadsSection({ cases }: LoadsResult): string {
  const rows = cases.map((result) => {
    const bench = CASES.find(({ name }) => name === result.name)!
    const { weft, peer } = result
    const digits = bench.unit === 'GB' ? 2 : 1
    const cost = (side: typeof weft) => costOf(bench, side).toFixed(digits)
    // What one core could carry if it did nothing else, by the busier of the two proxies.
    const perCore = ({ cpuUs }: typeof weft) => count(1e6 / larger(cpuUs))
    return [
      `\`${result.name}\``,
      bench.about,
      `${cost(weft)} / ${cost(peer)} ${bench.unit === 'GB' ? 's/GB' : 'µs'}`,
      `**${cpuRatio(bench, result).toFixed(2)}**${spread(result.turns?.cpuRatio)}`,
      `${count(weft.rps)} / ${count(peer.rps)}`,
      `${rateRatio(result).toFixed(2)}${spread(result.turns?.rateRatio)}`,
      `${perCore(weft)} / ${perCore(peer)}`,
      `${percent(weft.busyShare)} / ${percent(peer.busyShare)}`,
    ]
  })
  const turns = cases[0]?.turns
  const headings = ['load', '', 'CPU, Weft / haproxy', 'ratio', 'rate/s', 'ratio', 'rate/s of a full core', 'busy']
  return section(
    'CPU and throughput',
    [
      'CPU of both proxies together: per request, per gRPC message (each way counts), or per 10^9 bytes of content (each way',
      'counts). The rate is what the closed-loop client saw. With client, application and both proxies on the same cores no proxy',
      'has one to itself: *busy* is the share of its core that the busier proxy used. *Rate of a full core* is derived: what the',
      'busier of the two proxies could carry with a core of its own, 1 / (its CPU per request).',
      ...(turns === undefined
        ? []
        : [
            '',
            `Both sides were warm, then took ${turns.count} turns of ${TURN_MS} ms each, one after the other. A ratio is the median of those of a`,
            'turn of Weft to the turn of haproxy that followed it; in parentheses the quartiles, between which half of them lie.',
          ]),
      '',
      table(headings, rows),
    ].join('\n'),
  )
}

function latencySection(latency: readonly LatencyResult[]): string {
  const added = (mesh: Percentiles, direct: Percentiles) =>
    [mesh.p50Ms - direct.p50Ms, mesh.p99Ms - direct.p99Ms, mesh.p999Ms - direct.p999Ms].map(signed).join(' / ')
  const rows = latency.map(({ kind, ratePerSecond, direct, weft, peer }) => [
    kind === 'h2' ? 'HTTP/2, 4 connections' : 'HTTP/1.1, 64 connections',
    count(ratePerSecond),
    [direct.p50Ms, direct.p99Ms, direct.p999Ms].map((ms) => ms.toFixed(2)).join(' / '),
    added(weft, direct),
    added(peer, direct),
  ])
  return section(
    'Latency at fixed rates',
    [
      'An open loop: requests are due at fixed times, and latency counts from when a request was due, so a stall makes all slow',
      'that were due meanwhile. In ms, p50 / p99 / p99.9, medians of the rounds: without a mesh, and what each pair adds.',
      '',
      table(['load', 'requests/s', 'no mesh', 'Weft adds', 'haproxy adds'], rows),
    ].join('\n'),
  )
}

function handshakesSection(handshakes: readonly HandshakeResult[]): string {
  const rows = handshakes.map(({ name, side, clearUs, full, resumed }) => [
    name === 'weft' ? 'Weft' : name,
    side === 'outbound' ? 'outbound (TLS client)' : 'inbound (TLS server)',
    clearUs.toFixed(0),
    `${full.connectionUs.toFixed(0)} (**${(full.connectionUs - clearUs).toFixed(0)}**)`,
    `${resumed.connectionUs.toFixed(0)} (**${(resumed.connectionUs - clearUs).toFixed(0)}**)`,
    percent(resumed.resumedShare),
    `${count(1e6 / full.connectionUs)} / ${count(1e6 / resumed.connectionUs)}`,
  ])
  const headings = ['proxy', 'side', 'clear text', 'full', 'resumed', 'were resumed', 'connections/s of a full core']
  return section(
    'TLS handshakes',
    [
      'Mutual TLS 1.3. CPU µs of one proxy for one connection that carries a few bytes, in parentheses without what the same',
      'connection costs in clear text. The other end is a client or server of the benchmark: *were resumed* is the share of the',
      'handshakes that it saw resumed where it allowed that; where few were, that column says what a full handshake costs.',
      '',
      table(headings, rows),
    ].join('\n'),
  )
}

function memorySection(memory: MemoryResult, loads: LoadsResult | undefined): string {
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`
  const kb = (bytes: number) => `${(bytes / 1_024).toFixed(1)} KB`
  const both = ({ outbound, inbound }: Sides) => `${(outbound / 1e6).toFixed(1)} + ${mb(inbound)}`
  const { idleBytes, perConnectionBytes, per1000StreamsBytes, loaded, afterBytes } = memory
  const rows = [
    ['idle', mb(idleBytes.weft), mb(idleBytes.peer)],
    ...perConnectionBytes.map(({ client, weft, peer }) => [
      `per idle kept-alive connection, client side ${client === 'tls' ? 'TLS' : 'plain'}`,
      kb(weft),
      kb(peer),
    ]),
    ...perConnectionBytes.map(({ client, weft, peer }) => [
      `1,000 such connections, client side ${client === 'tls' ? 'TLS' : 'plain'}`,
      mb(weft * 1_000),
      mb(peer * 1_000),
    ]),
    [
      '1,000 open streams on ten connections (outbound + inbound)',
      both(per1000StreamsBytes.weft),
      both(per1000StreamsBytes.peer),
    ],
    [
      `while ${count(loaded.connections)} connections carry ${count(loaded.ratePerSecond)} requests/s (highest reading)`,
      both(loaded.weft),
      both(loaded.peer),
    ],
    ['eight seconds after that', both(afterBytes.weft), both(afterBytes.peer)],
    ...(loads?.afterBytes === undefined
      ? []
      : [['eight seconds after all loads above (the larger)', mb(loads.afterBytes.weft), mb(loads.afterBytes.peer)]]),
  ]
  return section(
    'Memory',
    [
      'Private memory of one more sidecar: pages that all sidecars of a node share (the binary) are not in it.',
      '',
      table(['', 'Weft', 'haproxy'], rows),
    ].join('\n'),
  )
}

function policiesSection(policies: readonly PoliciesResult[]): string {
  const cost = ({ cpuUs }: PoliciesResult['all']) => (cpuUs.outbound + cpuUs.inbound).toFixed(1)
  const rows = policies.map(({ name, all, none, turns }) => [
    `\`${name}\``,
    `${cost(all)} / ${cost(none)} µs`,
    `**${turns.cpuRatio.median.toFixed(2)}**${spread(turns.cpuRatio)}`,
    `${count(all.rps)} / ${count(none.rps)}`,
    `${turns.rateRatio.median.toFixed(2)}${spread(turns.rateRatio)}`,
  ])
  return section(
    'Policies',
    [
      'The same two proxies with every policy on (`bench/policies.ts`: five rules that match path, method, headers and query,',
      'a split over two backends, edits of fields both ways, four timeouts, retries, breakers, and behind them a Server that denies',
      'all but named identities, with routes and rate limits) and with none, in turns.',
      '',
      table(['load', 'CPU, all / none', 'ratio', 'rate/s', 'ratio'], rows),
    ].join('\n'),
  )
}

function hopsSection(hops: readonly HopResult[]): string {
  const [first] = hops
  if (first === undefined) return ''
  const names = first.proxies.map(({ name }) => name)
  const notes = new Map(
    hops.flatMap(({ proxies }) => proxies.flatMap(({ name, note }) => (note === undefined ? [] : [[name, note]]))),
  )
  const rows = hops.map(({ load, proxies }) => [
    `\`${load}\``,
    ...proxies.map(({ cpuUs, rps }) => (cpuUs === undefined ? '–' : `${cpuUs.toFixed(1)} (${count(rps ?? 0)})`)),
  ])
  return section(
    'One proxy alone, in clear text',
    [
      'CPU µs per request (and requests/s) of a single hop without TLS, all on the same core.',
      '',
      table(['load', ...names.map((name) => (name === 'weft' ? 'Weft' : name))], rows),
      ...[...notes].map(([name, note]) => `\n–: ${name} ${note}.`),
    ].join('\n'),
  )
}

function failures({ failed }: BenchResults): string {
  if (failed.length === 0) return ''
  return section('What could not be measured', failed.map(({ what, reason }) => `- ${what}: ${reason}`).join('\n'))
}

function section(title: string, text: string): string {
  return `## ${title}\n\n${text}`
}

function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(headings), line(headings.map(() => '---')), ...rows.map(line)].join('\n')
}

function larger({ outbound, inbound }: Sides): number {
  return Math.max(outbound, inbound)
}

/** `12,345` */
function count(value: number): string {
  return value.toFixed(0).replaceAll(/\B(?=(\d{3})+$)/g, ',')
}

function signed(ms: number): string {
  return `${ms < 0 ? '−' : '+'}${Math.abs(ms).toFixed(2)}`
}
