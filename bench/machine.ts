/** Where and with what a run was made. */
import { arch, availableParallelism, cpus, release } from 'node:os'
import type { Machine } from './results.ts'

export function machine(peers: readonly string[]): Machine {
  return {
    cpu: `${cpus()[0]?.model ?? 'unknown'} (${arch()})`,
    cores: availableParallelism(),
    kernel: release(),
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
    peers,
  }
}
