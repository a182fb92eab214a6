/** Who asks: the strings with which a proxy describes its own pod. */

/** Context token of the destination API. Every part may be missing. */
export interface Caller {
  readonly namespace: string
  readonly nodeName: string
  readonly pod: string
}

/** Workload of the policy API. */
export interface WorkloadRef {
  readonly namespace: string
  readonly kind: 'pod' | 'externalWorkload'
  readonly name: string
}

const NOBODY: Caller = { namespace: '', nodeName: '', pod: '' }
/** Three names of at most 253 characters and their JSON. */
const MAX_TOKEN_LENGTH = 1_024

/** What is not understood counts as empty: a client without context still gets endpoints. */
export function parseContextToken(token: string): Caller {
  if (token.length > MAX_TOKEN_LENGTH) return NOBODY
  const legacy = /^ns:([^:\s]+)\s*$/.exec(token)
  if (legacy !== null) return { ...NOBODY, namespace: legacy[1]! }
  const fields = parseObject(token)
  if (fields === undefined) return NOBODY
  return { namespace: text(fields.ns), nodeName: text(fields.nodeName), pod: text(fields.pod) }
}

/** `{"ns":"shop","pod":"web-1"}`, the same with `external_workload`, or the older `shop:web-1`. */
export function parseWorkload(workload: string): WorkloadRef | undefined {
  if (workload.length > MAX_TOKEN_LENGTH) return undefined
  if (!workload.startsWith('{')) {
    const [, namespace, name] = /^([^:\s]+):([^:\s]+)$/.exec(workload) ?? []
    return namespace === undefined || name === undefined ? undefined : { namespace, kind: 'pod', name }
  }
  const fields = parseObject(workload)
  const namespace = text(fields?.ns)
  const pod = text(fields?.pod)
  const external = text(fields?.external_workload)
  if (namespace === '' || (pod === '') === (external === '')) return undefined
  return pod === '' ? { namespace, kind: 'externalWorkload', name: external } : { namespace, kind: 'pod', name: pod }
}

function parseObject(json: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
