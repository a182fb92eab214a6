/** Every attack of the harness, and the name under which it is asked for. */
import type { Attack } from './attack-kinds.ts'
import { HTTP1_ATTACKS } from './http1-attacks.ts'
import { HTTP2_ATTACKS } from './http2-attacks.ts'
import { SERVER_ATTACKS } from './server-attacks.ts'
import { TLS_ATTACKS } from './tls-attacks.ts'

const FROM_CLIENTS: readonly Attack[] = [...HTTP2_ATTACKS, ...HTTP1_ATTACKS, ...TLS_ATTACKS]

/** The outbound proxy runs the same engines: a few of each kind show that its bounds are the same. */
const FROM_APPLICATIONS: readonly Attack[] = FROM_CLIENTS.filter(({ name }) =>
  [
    'h2 PING',
    'h2 rapid reset',
    'h2 CONTINUATION',
    'h2 a window of zero before 1,000 responses of 1 MB',
    'h1 a head byte by byte, fast',
    'h1 a pipeline without reading',
  ].includes(name),
).map((attack) => ({ ...attack, side: 'application' }))

export const ATTACKS: readonly Attack[] = [...FROM_CLIENTS, ...FROM_APPLICATIONS, ...SERVER_ATTACKS]

export function keyOf({ side, name }: Attack): string {
  return `${side}: ${name}`
}
