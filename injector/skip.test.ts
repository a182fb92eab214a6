import { test } from 'tap'
import { isWebhookDisabled } from './skip.ts'
import { ENABLED, injectShape, type Shape } from './testing.ts'

const inject = (value: string) => ({ 'linkerd.io/inject': value })

test('the injection switch: namespace and pod', async (t) => {
  const absent = 'injection_enable_annotation_absent'
  const present = 'injection_disable_annotation_present'
  const cases: readonly [ns: string | undefined, pod: string | undefined, outcome: string][] = [
    ['enabled', undefined, 'injected'],
    ['enabled', 'enabled', 'injected'],
    ['enabled', 'ingress', 'injected'],
    ['enabled', 'disabled', present],
    ['ingress', undefined, 'injected'],
    ['ingress', 'disabled', present],
    [undefined, 'enabled', 'injected'],
    ['disabled', 'enabled', 'injected'],
    ['disabled', 'ingress', 'injected'],
    [undefined, undefined, absent],
    [undefined, 'disabled', absent],
    ['disabled', undefined, absent],
    ['disabled', 'disabled', absent],
    ['yes', 'enabled', 'invalid_inject_annotation_at_ns'],
    ['Enabled', undefined, 'invalid_inject_annotation_at_ns'],
    ['enabled', 'true', 'invalid_inject_annotation_at_workload'],
    [undefined, 'on', 'invalid_inject_annotation_at_workload'],
  ]
  for (const [ns, pod, outcome] of cases) {
    const result = injectShape({
      ns: ns === undefined ? {} : inject(ns),
      ...(pod === undefined ? {} : { pod: inject(pod) }),
    })
    t.equal(result.kind === 'skipped' ? result.reasons.join(',') : result.kind, outcome, `namespace ${ns}, pod ${pod}`)
  }
})

test('skipped pods', async (t) => {
  const cases: readonly (Shape & { readonly name: string; readonly reasons: string; readonly opaque?: string })[] = [
    { name: 'host network', spec: { hostNetwork: true }, reasons: 'host_network_enabled' },
    { name: 'a proxy by name', spec: { containers: [{ name: 'linkerd-proxy' }] }, reasons: 'sidecar_already_exists' },
    {
      name: "another mesh's proxy",
      spec: { containers: [{ name: 'istio-proxy' }] },
      reasons: 'sidecar_already_exists',
    },
    {
      name: 'a proxy by image',
      spec: { initContainers: [{ name: 'p', image: 'cr.l5d.io/linkerd/proxy:edge' }] },
      reasons: 'sidecar_already_exists',
    },
    {
      name: 'an init container by name',
      spec: { initContainers: [{ name: 'linkerd-init' }] },
      reasons: 'sidecar_already_exists',
    },
    {
      name: 'an init container by image',
      spec: { initContainers: [{ name: 'i', image: 'gcr.io/istio-release/proxy_init:1' }] },
      reasons: 'sidecar_already_exists',
    },
    { name: 'no containers, so no pod', spec: { containers: [] }, reasons: 'unsupported_resource' },
    {
      name: 'no token without token projection',
      config: { tokenProjection: false },
      reasons: 'disabled_automount_service_account_token_account',
    },
    {
      name: 'token mounting switched off without token projection',
      config: { tokenProjection: false },
      spec: { automountServiceAccountToken: false },
      reasons: 'disabled_automount_service_account_token_account',
    },
    {
      name: 'several reasons',
      ns: {},
      spec: { hostNetwork: true, initContainers: [{ name: 'linkerd-init' }] },
      reasons: 'host_network_enabled,sidecar_already_exists,injection_enable_annotation_absent',
    },
    {
      name: 'opaque ports are written onto a skipped pod',
      ns: {},
      app: { ports: [{ containerPort: 3306 }] },
      reasons: 'injection_enable_annotation_absent',
      opaque: '3306',
    },
    {
      name: "and the namespace's are",
      ns: { 'config.linkerd.io/opaque-ports': '7000' },
      reasons: 'injection_enable_annotation_absent',
      opaque: '7000',
    },
  ]
  for (const { name, reasons, opaque, ...shape } of cases) {
    const result = injectShape(shape)
    if (result.kind !== 'skipped') {
      t.fail(`${name}: ${result.kind}`)
      continue
    }
    t.equal(result.reasons.join(','), reasons, name)
    t.equal(result.pod.metadata?.annotations?.['config.linkerd.io/opaque-ports'], opaque, `${name}: opaque ports`)
    t.equal(result.patch.length > 0, opaque !== undefined, `${name}: patch`)
  }
})

test('token mounting switched off does not matter with token projection', async (t) => {
  t.equal(injectShape({ spec: { automountServiceAccountToken: false } }).kind, 'injected')
})

test('isWebhookDisabled', async (t) => {
  const namespace = (labels: Record<string, string>) => ({ metadata: { name: 'n', labels, annotations: ENABLED } })
  t.equal(isWebhookDisabled(namespace({ 'config.linkerd.io/admission-webhooks': 'disabled' })), true)
  t.equal(isWebhookDisabled(namespace({})), false)
})
