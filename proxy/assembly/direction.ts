/** What the sequence of `proxy.ts` knows of inbound and outbound, and what both are made from. */
import type { Config } from '../config/config.ts'
import type { Families } from '../telemetry/families.ts'
import type { Logger } from '../telemetry/log.ts'
import type { Registry } from '../telemetry/registry.ts'

export interface Direction {
  /** Begins to accept. Until then nothing is asked of the control plane. */
  listen(): Promise<void>
  /** Connections that were accepted and are still open. */
  readonly connectionCount: number
  tick(nowMs: number): void
  /** Stops accepting; requests in flight finish. */
  shutdown(): void
  /** Cuts the connections that are still open. */
  destroy(): void
  /** Lets go of watches and of connections to applications and endpoints. */
  close(): void
}

export interface Surroundings {
  readonly config: Config
  readonly log: Logger
  readonly registry: Registry
  readonly families: Families
  readonly nowMs: () => number
}
