/**
 * An object of an API server, cut down to the fields that the store needs.
 *
 * A policy object that fails its check must not be ignored, for then what it forbids would be allowed: it is replaced by
 * one that is known not to be understood (`ObjectMeta.unknownFields`), which every index answers by refusing.
 */
import { formatPath, isMap } from '../../api/resources/check.ts'
import { isPolicyKind, KINDS, type Kind, type Resource } from '../../api/resources/kinds.ts'
import { checkKind } from '../../api/resources/manifests.ts'
import type { ObjectMeta } from '../../api/resources/meta.ts'

export interface AcceptedObject {
  /** What to store; `undefined` when nothing can be made of it. */
  readonly object: Resource | undefined
  /** One sentence per thing that is wrong. */
  readonly problems: readonly string[]
}

/**
 * @param previous the object of that name in the store
 * @param apiVersion items of a list do not say theirs
 */
export function acceptObject(
  kind: Kind,
  apiVersion: string,
  raw: unknown,
  previous: Resource | undefined,
): AcceptedObject {
  const problems: string[] = []
  const report = {
    problem: (path: readonly (string | number)[], message: string) => problems.push(`${formatPath(path)}: ${message}`),
    note: () => {},
  }
  if (!isMap(raw)) return { object: undefined, problems: ['is not an object'] }
  const [name = ''] = kind.split('.')
  const typed = { ...raw, apiVersion, kind: name }
  const object = checkKind(kind, typed, report)
  if (object !== undefined) return { object, problems }
  return { object: isPolicyKind(kind) ? refusing(kind, typed, previous) : previous, problems }
}

function refusing(
  kind: Kind,
  raw: Readonly<Record<string, unknown>>,
  previous: Resource | undefined,
): Resource | undefined {
  const ignore = { problem: () => {}, note: () => {} }
  const spec = isMap(raw.spec) ? raw.spec : {}
  // Which port it is about is enough to keep that port closed.
  const { podSelector, externalWorkloadSelector, port } = spec
  const closed = kind === 'Server' ? { ...raw, spec: { podSelector, externalWorkloadSelector, port } } : undefined
  const object = (closed && checkKind(kind, closed, ignore)) ?? previous
  if (object === undefined) return undefined
  const rules = (object as { readonly spec?: { readonly rules?: readonly unknown[] } }).spec?.rules ?? []
  const unknownFields = ['spec', ...rules.map((_, index) => `spec.rules[${index}].matches`)]
  const metadata: ObjectMeta = { ...object.metadata, ...versionOf(raw), unknownFields }
  return { ...object, metadata } as Resource
}

function versionOf({ metadata }: Readonly<Record<string, unknown>>): Partial<ObjectMeta> {
  const { resourceVersion, generation } = isMap(metadata) ? metadata : {}
  return {
    ...(typeof resourceVersion === 'string' && { resourceVersion }),
    ...(Number.isSafeInteger(generation) && { generation: generation as number }),
  }
}

/** `/apis/apps/v1`, `/api/v1` */
export function groupPath(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
}

/** The name of the kind in paths: two groups may share it. */
export function resourcePlural(kind: Kind): string {
  return KINDS[kind].plural.split('.')[0]!
}
