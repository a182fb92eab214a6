/** `weft demo`: the demo shop on this machine. */
import { join } from 'node:path'
import { PACKAGE_ROOT } from '../../local/programs.ts'
import { startCluster } from '../../local/start.ts'
import { watchCluster } from '../../local/watch.ts'
import type { Command } from '../command.ts'
import { RUN_OPTIONS, readRunSettings } from './local.ts'

export const demo: Command = {
  name: 'demo',
  summary: 'Run the demo shop on this machine',
  usage: 'demo [--for 20s] [--json] [--name NAME]',
  options: RUN_OPTIONS,
  async run({ values, stdout, stderr }) {
    const say = (sentence: string) => void stderr.write(`${sentence}\n`)
    const settings = readRunSettings(values)
    if (typeof settings === 'string') {
      say(settings)
      return 2
    }
    const paths = [join(PACKAGE_ROOT, 'demo')]
    const cluster = await startCluster({
      ...settings.start,
      paths,
      workingDir: PACKAGE_ROOT,
      startedAtMs: Date.now(),
      say,
    })
    if (!('ready' in cluster)) {
      for (const sentence of cluster) say(sentence)
      return 1
    }
    return watchCluster(cluster, { forMs: settings.forMs, isJson: settings.isJson, stdout, stderr })
  },
}
