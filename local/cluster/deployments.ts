/**
 * What a Deployment needs next: a pure plan over its pods.
 *
 * A changed template is rolled out as Kubernetes does by default: new pods first (a quarter more than wanted, at
 * least one), old ones go as new ones become ready, so a service never falls below its replicas.
 */
import { createHash } from 'node:crypto'
import { meta } from '../../api/resources/meta.ts'
import { EMPTY_POD_STATUS, type Pod } from '../../api/resources/pod.ts'
import type { Deployment } from '../../api/resources/workload.ts'
import { KubernetesLabel } from '../../api/vocabulary.ts'
import { isPodReady, isTerminating } from './endpoints.ts'

export interface DeploymentPlan {
  /** How many pods of the current template to make. */
  readonly create: number
  /** Pods to delete, the least useful first. */
  readonly remove: readonly Pod[]
  readonly status: { readonly replicas: number; readonly readyReplicas: number }
}

/** Names the template, so that pods of an older one are told apart. */
export function templateHash(deployment: Deployment): string {
  return createHash('sha256').update(JSON.stringify(deployment.spec.template)).digest('hex').slice(0, 10)
}

export function ownedPods(deployment: Deployment, pods: readonly Pod[]): Pod[] {
  const { namespace, uid } = deployment.metadata
  return pods.filter(
    ({ metadata }) => metadata.namespace === namespace && metadata.ownerReferences.some((owner) => owner.uid === uid),
  )
}

export function planDeployment(deployment: Deployment, pods: readonly Pod[]): DeploymentPlan {
  const wanted = deployment.spec.replicas
  const hash = templateHash(deployment)
  const alive = pods.filter((pod) => !isTerminating(pod))
  const current = alive.filter(({ metadata }) => metadata.labels[KubernetesLabel.podTemplateHash] === hash)
  const outdated = alive.filter((pod) => !current.includes(pod))
  const status = { replicas: alive.length, readyReplicas: alive.filter(isPodReady).length }

  const maxTotal = wanted + (outdated.length > 0 ? Math.max(1, Math.ceil(wanted / 4)) : 0)
  const create = Math.max(0, Math.min(wanted - current.length, maxTotal - alive.length))
  const surplus = leastUsefulFirst(current).slice(0, Math.max(0, current.length - wanted))
  // Outdated pods that are not ready serve nobody and go at once; ready ones as far as the others suffice.
  const readyCurrent = current.filter(isPodReady).length
  const spareReady = Math.max(0, readyCurrent + outdated.filter(isPodReady).length - wanted)
  const unready = outdated.filter((pod) => !isPodReady(pod))
  const ready = outdated.filter(isPodReady).slice(0, spareReady)
  return { create, remove: [...surplus, ...unready, ...ready], status }
}

export function podOf(deployment: Deployment, suffix: string): Pod {
  const { name, namespace, uid } = deployment.metadata
  const { template } = deployment.spec
  const hash = templateHash(deployment)
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: meta({
      // The hash keeps names of one rollout together; ten digits would only make the table wide.
      name: `${name}-${hash.slice(0, 5)}-${suffix}`,
      namespace,
      labels: { ...template.metadata.labels, [KubernetesLabel.podTemplateHash]: hash },
      annotations: template.metadata.annotations,
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name, uid, controller: true }],
    }),
    spec: template.spec,
    status: EMPTY_POD_STATUS,
  }
}

/** Letters and digits that cannot be misread, as Kubernetes uses them for names. */
const SUFFIX_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789'

export function podSuffix(random: () => number): string {
  return Array.from({ length: 5 }, () => SUFFIX_ALPHABET[Math.floor(random() * SUFFIX_ALPHABET.length)]).join('')
}

function leastUsefulFirst(pods: readonly Pod[]): Pod[] {
  const rank = (pod: Pod) => (isPodReady(pod) ? 1 : 0)
  const madeAt = ({ metadata }: Pod) => metadata.creationTimestamp
  return [...pods].sort((a, b) => rank(a) - rank(b) || madeAt(b).localeCompare(madeAt(a)))
}
