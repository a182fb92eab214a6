/** Where and with what a run is made; asked before it begins. */
import { arch, availableParallelism, cpus, loadavg, release } from 'node:os'
import type { Machine } from './results.ts'

export function machine(): Omit<Machine, 'peers'> {
  return {
    cpu: `${cpus()[0]?.model ?? 'unknown'} (${arch()})`,
    cores: availableParallelism(),
    kernel: release(),
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
    loadBefore: loadavg()[0]!,
  }
}
