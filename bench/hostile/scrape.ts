/** `--host IP --port PORT`: prints the metrics of a proxy, as a process because they are in another network namespace. */
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { host: { type: 'string' }, port: { type: 'string' } } })
process.stdout.write(await (await fetch(`http://${values.host}:${values.port}/metrics`)).text())
