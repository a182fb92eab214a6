/**
 * All fuzzers by name, in groups that the ordinary test run takes in one process each. Loaded when they are wanted: what
 * is not loaded costs no time when coverage is taken.
 */
import type { Fuzzer } from './fuzzer.ts'

export const GROUPS = {
  wire: {
    'http1-head': async () => (await import('../../proxy/wire/http1-head.fuzz.ts')).http1HeadFuzzer,
    chunked: async () => (await import('../../proxy/wire/chunked.fuzz.ts')).chunkedFuzzer,
    'client-hello': async () => (await import('../../proxy/wire/client-hello.fuzz.ts')).clientHelloFuzzer,
    'transport-header': async () => (await import('../../proxy/wire/transport-header.fuzz.ts')).transportHeaderFuzzer,
    detect: async () => (await import('../../proxy/wire/detect.fuzz.ts')).detectFuzzer,
    'grpc-message': async () => (await import('../../proxy/discovery/grpc-message.fuzz.ts')).grpcMessageFuzzer,
    hpack: async () => (await import('../../proxy/wire/hpack.fuzz.ts')).hpackFuzzer,
  },
  http: {
    chain: async () => (await import('../../proxy/http/chain.fuzz.ts')).chainFuzzer,
    http1: async () => (await import('../../proxy/http/http1.fuzz.ts')).http1Fuzzer,
    http2: async () => (await import('../../proxy/http/http2.fuzz.ts')).http2Fuzzer,
    'control-http2': async () => (await import('../../control/grpc/http2/connection.fuzz.ts')).controlHttp2Fuzzer,
  },
  texts: {
    duration: async () => (await import('../../api/duration.fuzz.ts')).durationFuzzer,
    'port-set': async () => (await import('../../api/port-set.fuzz.ts')).portSetFuzzer,
    ip: async () => (await import('../../api/ip.fuzz.ts')).ipFuzzer,
    regex: async () => (await import('../../api/regex.fuzz.ts')).regexFuzzer,
    'header-values': async () => (await import('../../proxy/policy/header-values.fuzz.ts')).headerValuesFuzzer,
    'control-names': async () => (await import('../../control/cluster/names.fuzz.ts')).controlNamesFuzzer,
    'subject-alt-name': async () => (await import('../../proxy/io/subject-alt-name.fuzz.ts')).subjectAltNameFuzzer,
    environment: async () => (await import('../../proxy/config/config.fuzz.ts')).environmentFuzzer,
    explain: async () => (await import('../../proxy/explain/question.fuzz.ts')).explainFuzzer,
    manifests: async () => (await import('../../api/resources/manifests.fuzz.ts')).manifestsFuzzer,
    annotations: async () => (await import('../../control/policy/index/annotations.fuzz.ts')).annotationsFuzzer,
    'profile-sources': async () => (await import('../../cli/profile/profile.fuzz.ts')).profileSourcesFuzzer,
  },
  cluster: {
    patch: async () => (await import('../../injector/patch.fuzz.ts')).patchFuzzer,
    'endpoint-updates': async () =>
      (await import('../../control/destination/endpoint-updates.fuzz.ts')).endpointUpdatesFuzzer,
    'inbound-policies': async () => (await import('../../control/policy/index/inbound.fuzz.ts')).inboundFuzzer,
    'dns-server': async () => (await import('../../local/dns/server.fuzz.ts')).dnsServerFuzzer,
    'dns-answers': async () => (await import('../../proxy/io/resolve.fuzz.ts')).dnsAnswersFuzzer,
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
