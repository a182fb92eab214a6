/** Where Autobahn knocks: at an echo server itself, then with one proxy and with two proxies in front of it. */
import { startPair } from '../../proxy/pair.ts'
import { type Autobahn, isAsGood, runAutobahn, type Verdict } from './autobahn.ts'
import { startWebSocketEcho } from './echo.ts'

export interface Compared {
  readonly id: string
  readonly direct: Verdict
  readonly oneProxy: Verdict | undefined
  readonly twoProxies: Verdict | undefined
  /** Both are at least as good as without a proxy. */
  readonly isAsGood: boolean
}

/** Runs `cases` at all three doors; in the order of the suite. */
export async function compare(
  autobahn: Autobahn,
  cases: readonly string[],
  timeoutMs: number,
): Promise<readonly Compared[]> {
  const echo = await startWebSocketEcho()
  const outbound = await startPair({ appPorts: [echo.port], isMeshed: false })
  const meshed = await startPair({ appPorts: [echo.port] })
  try {
    const servers = new Map([
      ['direct', echo.port],
      ['one', outbound.port],
      ['two', meshed.port],
    ])
    const verdicts = await runAutobahn(autobahn, { servers, cases, timeoutMs })
    const of = (server: string, id: string) => verdicts.get(server)?.get(id)
    return [...(verdicts.get('direct') ?? [])]
      .map(([id, direct]) => {
        const [oneProxy, twoProxies] = [of('one', id), of('two', id)]
        return {
          id,
          direct,
          oneProxy,
          twoProxies,
          isAsGood: isAsGood(oneProxy, direct) && isAsGood(twoProxies, direct),
        }
      })
      .sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }))
  } finally {
    outbound.close()
    meshed.close()
    echo.close()
  }
}

/** `6.4.1: OK without the mesh, …` */
export function describe({ id, direct, oneProxy, twoProxies }: Compared): string {
  return `${id}: ${text(direct)} without the mesh, ${text(oneProxy)} behind one proxy, ${text(twoProxies)} behind two`
}

function text(verdict: Verdict | undefined): string {
  if (verdict === undefined) return 'not run'
  const { behavior, behaviorClose, reason } = verdict
  const closing = behavior === behaviorClose ? behavior : `${behavior} (closing: ${behaviorClose})`
  return reason === undefined ? closing : `${closing} [${reason}]`
}
