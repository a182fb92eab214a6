/**
 * `npm run bench:control`: the control plane with 2,000 watching proxies and 1,000 routes, on loopback.
 *
 * `-- [--proxies N] [--services N] [--namespaces N] [--rounds N] [--processes N] [--json FILE] [--cpu-prof FOLDER]`;
 * ends with 1 when a promise is not kept. See ../README.md for what is measured.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { measureControl } from './measure.ts'
import { formatControlReport, verdicts } from './report.ts'

const SETTLE_MS = 700

const { values } = parseArgs({
  options: {
    proxies: { type: 'string', default: '2000' },
    services: { type: 'string', default: '1000' },
    namespaces: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '5' },
    processes: { type: 'string', default: '2' },
    json: { type: 'string' },
    'cpu-prof': { type: 'string' },
  },
})
const size = {
  proxies: Number(values.proxies),
  services: Number(values.services),
  namespaces: Number(values.namespaces),
}
if (!(size.services >= 8 && size.services % size.namespaces === 0 && size.proxies % size.services === 0)) {
  process.stderr.write('bench:control: proxies are a multiple of services (at least 8), and services of namespaces\n')
  process.exit(1)
}
const results = await measureControl({
  size,
  rounds: Number(values.rounds),
  processes: Number(values.processes),
  settleMs: SETTLE_MS,
  ...(values['cpu-prof'] !== undefined && { cpuProfile: values['cpu-prof'] }),
  onProgress: (line) => process.stderr.write(`${line}\n`),
})
process.stdout.write(formatControlReport(results))
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, undefined, 2)}\n`)
process.exitCode = verdicts(results).every(({ isMet }) => isMet) ? 0 : 1
