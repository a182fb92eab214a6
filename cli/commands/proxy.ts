/** `weft proxy`: the sidecar, as the injected container starts it. Its settings are its environment. */
import type { Command } from '../command.ts'

export const proxy: Command = {
  name: 'proxy',
  summary: 'Run the sidecar proxy (what the injected container runs)',
  usage: 'proxy   (settings come from LINKERD2_PROXY_* in the environment)',
  options: {},
  async run() {
    // The proxy's entry runs when it is imported and ends the process itself.
    await import('../../proxy/main.ts')
    return new Promise<number>(() => {})
  },
}
