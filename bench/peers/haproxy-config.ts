/**
 * What the two haproxy processes are told. They do by configuration what the mesh does by discovery: one frontend and
 * one backend per application, mutual TLS 1.3 between the pods, clear text on both ends.
 */
import { ALL_ORIGINS, isRaw, type Origin } from '../origin-ports.ts'
import { DIRECT_OFFSET, HOP_OFFSET, PAIR_OFFSET } from '../pods.ts'

/** Where the pieces are. */
export interface HaproxyPlace {
  /** The other pod. */
  readonly peerIp: string
  /** Certificate chain and key in one file. */
  readonly certFile: string
  readonly caFile: string
  /** Name in the certificates of both sides. */
  readonly identity: string
  /** `HOST:PORT` of a server that speaks mesh TLS and sends back what it gets. */
  readonly tlsEchoAddress: string
  readonly cores: number
}

/** Port of the frontend that leads to the echo server behind TLS. */
export const TLS_ECHO_PORT = 15_190

const MAX_CONNECTIONS = 8_000
/** Idle connections stay for as long as a section takes. */
const TIMEOUT = '10m'

/** Pod a: clear text in, mutual TLS to the other pod out (`PAIR_OFFSET`); or clear text straight to it (`HOP_OFFSET`). */
export function outboundConfig(place: HaproxyPlace): string {
  const tls = `ssl crt "${place.certFile}" ca-file "${place.caFile}" verify required verifyhost "${place.identity}"`
  return lines(
    ...preamble(place, 'ssl-default-server-options'),
    ...ALL_ORIGINS.flatMap((origin) => {
      const { port } = origin
      // HTTP/1.1 travels as HTTP/2 between the pods here too.
      const over = isRaw(origin) ? '' : ' alpn h2 proto h2'
      return [
        ...frontend(`pair-${port}`, origin, `127.0.0.1:${port + PAIR_OFFSET}${clearProto(origin)}`),
        ...backend(`pair-${port}`, origin, `${place.peerIp}:${port + PAIR_OFFSET} ${tls}${over}`),
        ...frontend(`hop-${port}`, origin, `127.0.0.1:${port + HOP_OFFSET}${clearProto(origin)}`),
        ...backend(`hop-${port}`, origin, `${place.peerIp}:${port + DIRECT_OFFSET}${clearProto(origin)}`),
      ]
    }),
    ...frontend('tls-echo', { kind: 'echo' }, `127.0.0.1:${TLS_ECHO_PORT}`),
    ...backend('tls-echo', { kind: 'echo' }, `${place.tlsEchoAddress} ${tls}`),
  )
}

/** Pod b: mutual TLS in (`PAIR_OFFSET`), or clear text (`HOP_OFFSET`); clear text to the application out. */
export function inboundConfig(place: HaproxyPlace): string {
  const tls = `ssl crt "${place.certFile}" ca-file "${place.caFile}" verify required`
  return lines(
    ...preamble(place, 'ssl-default-bind-options'),
    ...ALL_ORIGINS.flatMap((origin) => {
      const { port } = origin
      const over = isRaw(origin) ? '' : ' alpn h2'
      return [
        ...frontend(`pair-${port}`, origin, `:${port + PAIR_OFFSET} ${tls}${over}`),
        ...backend(`pair-${port}`, origin, `127.0.0.1:${port}${clearProto(origin)}`),
        ...frontend(`clear-${port}`, origin, `:${port + HOP_OFFSET}${clearProto(origin)}`),
        ...backend(`clear-${port}`, origin, `127.0.0.1:${port}${clearProto(origin)}`),
      ]
    }),
  )
}

function preamble({ cores }: HaproxyPlace, tlsOptions: string): string[] {
  return [
    'global',
    `  nbthread ${cores}`,
    `  maxconn ${MAX_CONNECTIONS}`,
    `  ${tlsOptions} ssl-min-ver TLSv1.3`,
    'defaults',
    '  mode http',
    '  timeout connect 5s',
    `  timeout client ${TIMEOUT}`,
    `  timeout server ${TIMEOUT}`,
    '  http-reuse always',
  ]
}

type Kind = Pick<Origin, 'kind'>

function frontend(name: string, { kind }: Kind, bind: string): string[] {
  return [`frontend ${name}`, ...mode({ kind }), `  bind ${bind}`, `  default_backend ${name}`]
}

function backend(name: string, { kind }: Kind, server: string): string[] {
  return [`backend ${name}`, ...mode({ kind }), `  server app ${server}`]
}

function mode({ kind }: Kind): string[] {
  return isRaw({ kind }) ? ['  mode tcp'] : []
}

/** In clear text nothing is negotiated: HTTP/2 has to be said. */
function clearProto({ kind }: Kind): string {
  return kind === 'h2' || kind === 'grpc' ? ' proto h2' : ''
}

function lines(...each: readonly string[]): string {
  return `${each.join('\n')}\n`
}
