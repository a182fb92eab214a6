/**
 * What must hold of the patch whatever the pod and its annotations look like: the patch applied to the pod is the
 * patched pod, nothing that was there is lost, and a second injection skips.
 */
import { deepStrictEqual, ok } from 'node:assert/strict'
import { ProxyConfig } from '../api/vocabulary.ts'
import { fuzzer, type Json } from '../test/fuzz/fuzzer.ts'
import { injectorConfig } from './config.ts'
import { applyPatch } from './json-patch.ts'
import { injectPod } from './patch.ts'
import type { Container, Pod } from './pod.ts'
import { ANCHORS, injectShape, namespaceOf, podOf, type Shape } from './testing.ts'

const KEYS = Object.values(ProxyConfig).filter((key) => key !== ProxyConfig.prefix)
const VALUES = [
  'true',
  'false',
  'enabled',
  'disabled',
  'json',
  'off',
  '',
  '80',
  '70000',
  '-1',
  '100m',
  '2',
  '30s',
  '25,4567-4568',
  'db',
  '[{"name":"A"}]',
  '{',
  'a/b',
  '~',
  '10.0.0.0/8',
  '\u0000',
  '__proto__',
]
const LABELS = ['app', 'a/b', '__proto__', 'constructor', 'linkerd.io/control-plane-ns']

export const patchFuzzer = fuzzer({
  name: 'patch',
  checks: 'the injection of any pod: patch and patched pod agree, nothing is lost, a second injection skips',
  cases: 250,
  generate: (random) => randomShape(random) as Json,
  run: (shape) => checkPatch(shape as Shape),
})

function checkPatch(shape: Shape): void {
  const pod = podOf(shape)
  const before = JSON.stringify(pod)
  const result = injectShape(shape)
  ok(JSON.stringify(pod) === before, 'the given pod stays as it is')
  if (result.kind === 'refused') {
    ok(result.reasons.length > 0)
    return
  }
  const throughJson = JSON.parse(JSON.stringify(result.patch)) as typeof result.patch
  deepStrictEqual(JSON.parse(JSON.stringify(applyPatch(pod, throughJson))), JSON.parse(JSON.stringify(result.pod)))
  if (result.kind === 'skipped') {
    ok(result.reasons.length > 0)
    return
  }
  keepsWhatWasThere(pod, result.pod)
  const namespace = namespaceOf(shape)
  const again = injectPod({ pod: result.pod, namespace, config: injectorConfig({ trustAnchorsPem: ANCHORS }) })
  ok(again.kind === 'skipped' && again.reasons.includes('sidecar_already_exists'))
  deepStrictEqual(again.patch, [], 'and writes nothing')
}

function keepsWhatWasThere(pod: Pod, patched: Pod): void {
  for (const list of ['initContainers', 'containers'] as const) {
    const before = pod.spec?.[list] ?? []
    const after = (patched.spec?.[list] ?? []).filter(({ name }) => !name.startsWith('linkerd-'))
    deepStrictEqual(after, before)
  }
  for (const [key, value] of Object.entries(pod.metadata?.annotations ?? {})) {
    ok(patched.metadata?.annotations?.[key] === value, key)
  }
}

function randomShape(random: () => number): Shape {
  const pick = <Value>(list: readonly Value[]): Value => list[Math.floor(random() * list.length)]!
  const map = (keys: readonly string[], most: number) => {
    const entries = Array.from({ length: Math.floor(random() * most) }, () => [pick(keys), pick(VALUES)] as const)
    return Object.fromEntries(entries)
  }
  const container = (name: string): Container => ({
    name,
    ...(random() < 0.7 ? { ports: [{ containerPort: pick([80, 3306, 8080, 6379]), name: pick(['http', 'db']) }] } : {}),
    ...(random() < 0.3 ? { readinessProbe: { httpGet: { port: pick<number | string>([9000, 'http']) } } } : {}),
  })
  return {
    ns: { ...map(KEYS, 4), 'linkerd.io/inject': pick(['enabled', 'enabled', 'ingress', 'disabled', 'x']) },
    ...(random() < 0.8 ? { pod: map(KEYS, 6) } : {}),
    labels: map(LABELS, 4),
    spec: {
      ...(random() < 0.5 ? { initContainers: [container('setup')] } : {}),
      ...(random() < 0.5 ? { volumes: [{ name: pick(['data', 'linkerd-identity-token']) }] } : {}),
      ...(random() < 0.1 ? { hostNetwork: true } : {}),
      containers: [container('web'), ...(random() < 0.3 ? [container('helper')] : [])],
    },
    config: { disableIPv6: random() < 0.5, cniEnabled: random() < 0.3 },
  }
}
