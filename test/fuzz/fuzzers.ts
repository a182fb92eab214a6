/**
 * All fuzzers by name, in groups that the ordinary test run takes in one process each. Loaded when they are wanted: what
 * is not loaded costs no time when coverage is taken.
 */
import type { Fuzzer } from './fuzzer.ts'

export const GROUPS = {
  wire: {
    'http1-head': async () => (await import('../../proxy/wire/http1-head.fuzz.ts')).http1HeadFuzzer,
    chunked: async () => (await import('../../proxy/wire/chunked.fuzz.ts')).chunkedFuzzer,
    hpack: async () => (await import('../../proxy/wire/hpack.fuzz.ts')).hpackFuzzer,
  },
  http: {
    http2: async () => (await import('../../proxy/http/http2.fuzz.ts')).http2Fuzzer,
  },
} as const

export type Group = keyof typeof GROUPS

export async function fuzzersOf(group: Group): Promise<Fuzzer[]> {
  return Promise.all(Object.values(GROUPS[group]).map((load) => load()))
}

export async function allFuzzers(): Promise<Fuzzer[]> {
  return (await Promise.all((Object.keys(GROUPS) as Group[]).map(fuzzersOf))).flat()
}

/** `undefined` when there is none of this name. */
export async function fuzzerNamed(name: string): Promise<Fuzzer | undefined> {
  for (const group of Object.values(GROUPS)) {
    const load = new Map<string, () => Promise<Fuzzer>>(Object.entries(group)).get(name)
    if (load !== undefined) return load()
  }
  return undefined
}
