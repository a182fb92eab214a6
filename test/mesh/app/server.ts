/**
 * The server of the mesh suite: one ordinary program that speaks everything an application may speak and does not
 * know of the mesh. SIGTERM ends it as Kubernetes asks: what has begun is finished, then it exits.
 */
import process from 'node:process'
import { serveGrpc } from './servers/grpc.ts'
import { serveHttp, serveHttp2 } from './servers/http.ts'
import { serveServerFirst, serveTls } from './servers/tcp.ts'

const others = await Promise.all([serveHttp2(), serveGrpc(), serveServerFirst(), serveTls()])
// Last: it answers the readiness probe for all of them.
const closers = [await serveHttp(), ...others]

process.once('SIGTERM', () => {
  void Promise.all(closers.map((close) => close())).then(() => process.exit(0))
})
