/** Pods for the tests of the injector. */
import { type InjectorConfigInput, injectorConfig } from './config.ts'
import { type Injection, injectPod } from './patch.ts'
import type { Container, Namespace, Owner, Pod, PodSpec, StringMap } from './pod.ts'

export const ANCHORS = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'

/** A pod shape: whatever is not said is as ordinary as can be. */
export interface Shape {
  readonly pod?: StringMap
  readonly ns?: StringMap
  readonly labels?: StringMap
  readonly spec?: PodSpec & { readonly [field: string]: unknown }
  readonly app?: Partial<Container>
  readonly owner?: Owner
  readonly config?: Partial<InjectorConfigInput>
}

export const ENABLED: StringMap = { 'linkerd.io/inject': 'enabled' }

export function podOf({ pod: annotations, labels, spec, app }: Shape): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'web-5d9c',
      labels: { app: 'web', ...labels },
      ...(annotations === undefined ? {} : { annotations }),
    },
    spec: { containers: [{ name: 'web', image: 'shop/web:1', ports: [{ containerPort: 8080 }], ...app }], ...spec },
  }
}

export function namespaceOf({ ns = ENABLED }: Shape): Namespace {
  return { metadata: { name: 'shop', annotations: ns } }
}

export function injectShape(shape: Shape): Injection {
  return injectPod({
    pod: podOf(shape),
    namespace: namespaceOf(shape),
    owner: shape.owner,
    config: injectorConfig({ trustAnchorsPem: ANCHORS, ...shape.config }),
  })
}

export function containerNamed(pod: Pod, name: string): Container | undefined {
  return [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].find((each) => each.name === name)
}
