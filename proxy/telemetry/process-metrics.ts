/** `process_*`: read from /proc when somebody scrapes. Where /proc is missing a family stays without samples. */
import { readdirSync, readFileSync } from 'node:fs'
import type { Registry } from './registry.ts'

const PAGE_BYTES = 4_096

export interface ProcessClock {
  /** Unix time, in milliseconds. */
  readonly unixMs: () => number
  readonly startedUnixMs: number
}

export function registerProcessMetrics(registry: Registry, { unixMs, startedUnixMs }: ProcessClock): void {
  const gauge = (name: string, help: string) => registry.gauge(name, help)
  const startTime = gauge('process_start_time_seconds', 'Time that the process started, in seconds since the epoch')
  const clockTime = gauge('process_clock_time_seconds', 'Current system time, in seconds since the epoch')
  const uptime = registry.counter('process_uptime_seconds', 'Seconds since the process started')
  const cpu = registry.counter('process_cpu_seconds', 'User and system CPU time spent, in seconds')
  const virtual = gauge('process_virtual_memory_bytes', 'Virtual memory size in bytes')
  const resident = gauge('process_resident_memory_bytes', 'Resident memory size in bytes')
  const openFds = gauge('process_open_fds', 'Number of open file descriptors')
  const maxFds = gauge('process_max_fds', 'Maximum number of open file descriptors')
  const threads = gauge('process_threads', 'Number of threads of the process')
  const received = registry.counter('process_network_receive_bytes', 'Bytes received by the network interfaces')
  const sent = registry.counter('process_network_transmit_bytes', 'Bytes sent by the network interfaces')

  startTime.child().value = startedUnixMs / 1_000
  registry.onCollect(() => {
    const nowMs = unixMs()
    clockTime.child().value = nowMs / 1_000
    uptime.child().value = (nowMs - startedUnixMs) / 1_000
    const { user, system } = process.cpuUsage()
    cpu.child().value = (user + system) / 1e6
    tryRead(() => {
      const [virtualPages, residentPages] = readFileSync('/proc/self/statm', 'latin1').split(' ').map(Number)
      virtual.child().value = virtualPages! * PAGE_BYTES
      resident.child().value = residentPages! * PAGE_BYTES
    })
    tryRead(() => {
      openFds.child().value = readdirSync('/proc/self/fd').length
    })
    tryRead(() => {
      const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]
      if (limit !== undefined) maxFds.child().value = Number(limit)
    })
    tryRead(() => {
      const count = /^Threads:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]
      if (count !== undefined) threads.child().value = Number(count)
    })
    tryRead(() => {
      const bytes = networkBytes(readFileSync('/proc/self/net/dev', 'latin1'))
      received.child().value = bytes.received
      sent.child().value = bytes.sent
    })
  })
}

/** Sums over the interfaces but the loopback one. */
export function networkBytes(text: string): { readonly received: number; readonly sent: number } {
  let received = 0
  let sent = 0
  for (const [, name, columns] of text.matchAll(/^\s*([^\s:]+):\s*(.*)$/gm)) {
    if (name === 'lo') continue
    const numbers = columns!.trim().split(/\s+/).map(Number)
    received += numbers[0] ?? 0
    sent += numbers[8] ?? 0
  }
  return { received, sent }
}

function tryRead(read: () => void): void {
  try {
    read()
  } catch (error) {
    // A container may hide parts of /proc; anything else is our own mistake.
    if (!(error instanceof Error && 'code' in error)) throw error
  }
}
