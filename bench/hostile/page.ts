/** The part of `docs/threat-model.md` that is made from results, between two marks. */
import { formatReport } from './report.ts'
import { type HostileResults, RATE } from './results.ts'

const BEGIN = '<!-- Made by `npm run hostile -- --write`, from here … -->'
const END = '<!-- … to here. -->'

/** @throws Error when the page has not both marks, in order */
export function withMeasured(page: string, results: HostileResults): string {
  const from = page.indexOf(BEGIN)
  const until = page.indexOf(END)
  if (from === -1 || until < from) throw new Error(`hostile: the page has no part between "${BEGIN}" and "${END}"`)
  return `${page.slice(0, from)}${BEGIN}\n\n${formatMeasured(results)}\n${page.slice(until)}`
}

function formatMeasured(results: HostileResults): string {
  const { cpu, cores, kernel, node, date, loadBefore } = results.machine
  return [
    `Measured on ${date}: ${cpu}, ${cores} cores, Linux ${kernel}, Node ${node}, load average ${loadBefore.toFixed(1)} before the run;`,
    `${RATE} ordinary requests per second over HTTP/2 through both proxies meanwhile.`,
    '',
    formatReport(results),
  ].join('\n')
}
