/** Builds and installs what the suites need, so that no test has to wait for a compiler. */
import { findAutobahn } from './autobahn/autobahn.ts'
import { findGoInterop } from './grpc/go-interop.ts'
import { findH2spec } from './h2spec/h2spec.ts'
import type { Suite } from './suite.ts'

const TOOLS = [
  { name: 'h2spec', find: findH2spec },
  { name: "grpc-go's interop client and server", find: findGoInterop },
  { name: 'Autobahn', find: findAutobahn },
] as const

export const toolsSuite: Suite = {
  name: 'tools',
  usage: 'tools                   build and install what the suites need, ahead of a run',
  async run(_args, say) {
    let hasAll = true
    for (const { name, find } of TOOLS) {
      const found = await find()
      say(typeof found === 'string' ? found : `${name} is there`)
      hasAll &&= typeof found !== 'string'
    }
    return hasAll
  },
}
