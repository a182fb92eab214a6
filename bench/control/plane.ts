/** The process of the control plane: the real one over a generated cluster. */
import pino from 'pino'
import { formatSocketAddress } from '../../api/ip.ts'
import { kindOf, type Resource } from '../../api/resources/kinds.ts'
import { startControlPlane } from '../../control/control-plane.ts'
import { LocalTokens } from '../../control/identity/local-tokens.ts'
import { MemoryStore } from '../../control/resources/store.ts'
import { CHANGES } from './changes.ts'
import { clusterOf, type Size } from './cluster.ts'
import { monotonicMs, type PlaneOptions, type PlaneRequest, type PlaneUsage, serve } from './messages.ts'

const store = new MemoryStore()
let size: Size

async function start({ size: wanted, addresses }: PlaneOptions) {
  size = wanted
  store.apply(clusterOf(size))
  const any = '127.0.0.1:0'
  const plane = await startControlPlane({
    store,
    log: pino({ level: 'silent' }),
    tokens: await LocalTokens.generate(),
    issuer: () => undefined,
    listen: { destination: addresses?.destination ?? any, policy: addresses?.policy ?? any, identity: any },
    writeStatus,
  })
  return {
    addresses: {
      destination: formatSocketAddress(plane.addresses.destination),
      policy: formatSocketAddress(plane.addresses.policy),
    },
    listeningAtMs: monotonicMs(),
  }
}

/** As from an API server: statuses come back as changes, those of one round together. */
let statuses: Resource[] = []
function writeStatus(object: Resource, status: object): void {
  if (statuses.length === 0) setImmediate(commitStatuses)
  statuses.push({ ...object, status } as Resource)
}
function commitStatuses(): void {
  const written = statuses
  statuses = []
  // What was edited meanwhile keeps its newer content, and gets its status in the next round.
  store.apply(
    written.filter((object) => {
      const { namespace, name, resourceVersion } = object.metadata
      return store.get(kindOf(object)!, namespace, name)?.metadata.resourceVersion === resourceVersion
    }),
  )
}

async function answer(request: PlaneRequest): Promise<object> {
  switch (request.kind) {
    case 'apply': {
      const batch = CHANGES.find(({ name }) => name === request.change)!.batch(size, request.round)
      const atMs = monotonicMs()
      store.commit(batch)
      return { atMs }
    }
    case 'usage':
      return usage(request.collectsGarbage)
  }
}

function usage(collectsGarbage: boolean): PlaneUsage {
  if (collectsGarbage) globalThis.gc?.()
  const { user, system } = process.cpuUsage()
  return { cpuMs: (user + system) / 1_000, heapBytes: process.memoryUsage().heapUsed }
}

serve(start, answer)
