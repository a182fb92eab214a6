/** The proxy's side of the control plane: a channel to each of its services, the certificate, and discovery. */
import { existsSync } from 'node:fs'
import type { SecureContext } from 'node:tls'
import type { Config } from '../config/config.ts'
import type { ServiceConfig } from '../config/control.ts'
import { ControlPlane } from '../discovery/control-plane.ts'
import type { Discovery } from '../discovery/discovery.ts'
import { type ControlMetrics, GrpcChannel } from '../discovery/grpc-client.ts'
import { Certifier } from '../identity/certifier.ts'
import { certifyOver } from '../identity/certify-call.ts'
import { REAL_TIMERS } from '../io/timers.ts'
import { makeSecureContext, type PeerIdentity } from '../io/tls.ts'
import { controlLabels } from '../telemetry/endpoint-labels.ts'
import type { Families } from '../telemetry/families.ts'
import { RequestMetrics } from '../telemetry/request-metrics.ts'
import type { Surroundings } from './direction.ts'

export interface Control {
  readonly certifier: Certifier
  readonly discovery: Discovery
  tick(nowMs: number): void
  close(): void
}

export function assembleControl({ config, log, registry, families }: Surroundings): Control {
  const { control } = config
  // Until the first certificate is there the proxy is a client without one.
  const anchorsOnly = makeSecureContext({ trustAnchorsPem: control.identity.trustAnchorsPem })
  const controlTls = (name: string | undefined, context: () => SecureContext | undefined) =>
    name === undefined ? undefined : { serverName: name, identity: dns(name), context: () => context() ?? anchorsOnly }
  const channel = ({ addr, serverName }: ServiceConfig, context: () => SecureContext | undefined): GrpcChannel =>
    new GrpcChannel({
      target: addr,
      tls: controlTls(serverName, context),
      timers: REAL_TIMERS,
      random: Math.random,
      metrics: controlMetrics(families, addr, serverName),
      log: (level, message) => log.child('control').log(level, message),
    })

  const certifier = new Certifier({
    localName: control.identity.localName,
    trustAnchorsPem: control.identity.trustAnchorsPem,
    tokenFile: control.identity.tokenFile,
    minRefreshMs: control.identity.minRefreshMs,
    maxRefreshMs: control.identity.maxRefreshMs,
    certify: certifyOver(() => channel(control.identity, () => certifier.context)),
    timers: REAL_TIMERS,
    random: Math.random,
    log: (level, message) => log.child('identity').log(level, message),
  })
  registry.onCollect(() => collectIdentity(families, certifier))

  const destination = channel(control.destination, () => certifier.context)
  const policy = channel(control.policy, () => certifier.context)
  const discovery = new ControlPlane({
    destination,
    policy,
    limits: control.streamLimits,
    contextToken: control.destinationContext,
    workload: control.policyWorkload,
    detectTimeoutMs: config.inbound.detectTimeoutMs,
    timers: REAL_TIMERS,
    random: Math.random,
    log: (level, message) => log.child('control').log(level, message),
  })

  return {
    certifier,
    discovery,
    tick(nowMs) {
      destination.tick(nowMs)
      policy.tick(nowMs)
    },
    close() {
      certifier.close()
      destination.close()
      policy.close()
    },
  }
}

/** The token is a file that Kubernetes projects; without it identity can never be had. */
export function tokenProblem(config: Config): string | undefined {
  return existsSync(config.control.identity.tokenFile)
    ? undefined
    : `identity: the token file ${config.control.identity.tokenFile} does not exist; is the projected volume mounted?`
}

function dns(name: string): PeerIdentity {
  return { kind: 'dns', name }
}

function controlMetrics(families: Families, target: string, name: string | undefined): ControlMetrics {
  const metrics = new RequestMetrics(families.control, controlLabels(target, name))
  return {
    onRequest: () => metrics.onRequest(),
    onResponse: (grpcStatus, latencyMs) =>
      metrics.onResponse(
        latencyMs === undefined ? 0 : 200,
        grpcStatus === 0 ? 'success' : 'failure',
        grpcStatus,
        '',
        latencyMs ?? 0,
      ),
  }
}

function collectIdentity(families: Families, { metrics }: Certifier): void {
  const { expiration, refresh, refreshes } = families.identity
  if (metrics.expiresAtMs === 0) return
  expiration.child().value = metrics.expiresAtMs / 1_000
  refresh.child().value = metrics.refreshedAtMs / 1_000
  refreshes.child([['result', 'ok']]).value = metrics.okCount
  refreshes.child([['result', 'error']]).value = metrics.errorCount
}
