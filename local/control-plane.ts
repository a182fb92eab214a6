/** The control plane's process of a one-machine cluster: the whole of it, fed by the node's store. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import pino from 'pino'
import { EXIT_BAD_CONFIGURATION, Port } from '../api/vocabulary.ts'
import { startControlPlane } from '../control/control-plane.ts'
import { LocalTokens } from '../control/identity/local-tokens.ts'
import { IssuerError, loadIssuer, type PemSource } from '../control/identity/model/issuer.ts'
import { MemoryStore } from '../control/resources/store.ts'
import { StreamSource } from '../control/resources/stream-source.ts'
import { ControlFile } from './control-files.ts'

/** It is back within a second after it ended, and proxies one or two attempts later. */
const SETTLE_MS = 5_000

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      directory: { type: 'string', default: '' },
      'cluster-domain': { type: 'string', default: '' },
      'leaf-lifetime-ms': { type: 'string' },
      'clock-skew-ms': { type: 'string' },
    },
    allowPositionals: true,
  })
  const file = (name: string) => join(values.directory, name)
  const pem = (name: string): PemSource => ({ pem: readFileSync(file(name), 'utf8'), from: name })
  const log = pino({ name: 'weft-control' }, pino.destination({ dest: 2, sync: true }))
  const issuer = await loadIssuer(
    { certificate: pem(ControlFile.certificate), privateKey: pem(ControlFile.key), anchors: pem(ControlFile.anchors) },
    Date.now(),
  )
  const tokens = await LocalTokens.fromKey(JSON.parse(readFileSync(file(ControlFile.tokenKey), 'utf8')))
  const store = new MemoryStore()
  const source = new StreamSource(file(ControlFile.store), store)
  await source.start()
  const { 'cluster-domain': clusterDomain, 'leaf-lifetime-ms': lifetimeMs, 'clock-skew-ms': clockSkewMs } = values
  const plane = await startControlPlane({
    store,
    log,
    tokens,
    issuer: () => issuer,
    writeStatus: (object, status) => source.writeStatus(object, status),
    settleMs: SETTLE_MS,
    config: { clusterDomain, trustDomain: clusterDomain },
    leaf: {
      ...(lifetimeMs === undefined ? {} : { lifetimeMs: Number(lifetimeMs) }),
      ...(clockSkewMs === undefined ? {} : { clockSkewMs: Number(clockSkewMs) }),
    },
    // Other pods come through the proxy, which dials the pod's own address.
    listen: {
      destination: `0.0.0.0:${Port.destination}`,
      policy: `0.0.0.0:${Port.policy}`,
      identity: `0.0.0.0:${Port.identity}`,
    },
  })
  const stop = () => {
    source.close()
    void plane.close().then(() => process.exit(0))
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}

try {
  await main()
} catch (error) {
  if (!(error instanceof IssuerError)) throw error
  process.stderr.write(`control plane: ${error.message}\n`)
  process.exitCode = EXIT_BAD_CONFIGURATION
}
