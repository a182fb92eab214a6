/** `weft demo`: the demo shop on this machine, first without and then with service profiles. */
import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { playDemo } from '../../local/demo.ts'
import { PACKAGE_ROOT } from '../../local/programs.ts'
import { startCluster } from '../../local/start.ts'
import { watchCluster } from '../../local/watch.ts'
import type { Command } from '../command.ts'
import { RUN_OPTIONS, readRunSettings } from './local.ts'
import { profile } from './profile.ts'

/** Workload of the demo's manifests whose requests are the customers'. */
const CUSTOMERS = 'load'

/** Service, and the document that its profile comes out of. */
const SOURCES = [
  { service: 'prices', option: 'open-api', file: 'demo/openapi/prices.yaml' },
  { service: 'inventory', option: 'proto', file: 'demo/proto/inventory.proto' },
] as const

export const demo: Command = {
  name: 'demo',
  summary: 'Run the demo shop on this machine',
  usage: 'demo [--for 20s] [--json] [--name NAME]',
  options: RUN_OPTIONS,
  async run({ values, positionals, stdout, stderr }) {
    const startedAtMs = Date.now()
    const say = (sentence: string) => void stderr.write(`${sentence}\n`)
    const settings =
      positionals.length > 0 ? 'the demo takes no files; for your own use: weft local FILES' : readRunSettings(values)
    if (typeof settings === 'string') {
      say(settings)
      return 2
    }
    const profiles = await generateProfiles(stderr)
    const cluster = await startCluster({
      ...settings.start,
      // Relative where it can be: messages name files by it.
      paths: [relative(process.cwd(), join(PACKAGE_ROOT, 'demo'))],
      workingDir: PACKAGE_ROOT,
      startedAtMs,
      say,
    })
    if (!('ready' in cluster)) {
      for (const sentence of cluster) say(sentence)
      return 1
    }
    return watchCluster(cluster, {
      forMs: settings.forMs,
      isJson: settings.isJson,
      stdout,
      stderr,
      title: 'weft demo: a shop on this machine (Ctrl-C ends it)',
      scenario: (scene) => playDemo(scene, { profiles, customers: CUSTOMERS }),
    })
  },
}

/** What `weft profile` prints for the demo's two documents. */
async function generateProfiles(stderr: Writable): Promise<{ manifest: string; source: string }[]> {
  return Promise.all(
    SOURCES.map(async ({ service, option, file }) => {
      const output: Buffer[] = []
      const stdout = new Writable({
        write(chunk: Buffer, _encoding, done) {
          output.push(Buffer.from(chunk))
          done()
        },
      })
      const code = await profile.run({
        values: { [option]: '-', namespace: 'shop', 'cluster-domain': 'cluster.local', output: 'yaml' },
        positionals: [service],
        stdin: Readable.from([readFileSync(join(PACKAGE_ROOT, file))]),
        stdout,
        stderr,
      })
      if (code !== 0) throw new Error(`${file}: no profile could be generated from it`)
      return { manifest: Buffer.concat(output).toString('utf8'), source: file }
    }),
  )
}
