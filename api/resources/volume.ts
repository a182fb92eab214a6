/** Volumes of a pod: the kinds that a sidecar and a small application need. Others are refused by name. */
import {
  anything,
  array,
  boolean,
  type Check,
  fail,
  integer,
  isMap,
  object,
  optional,
  required,
  string,
  withDefault,
} from './check.ts'

export interface Volume {
  readonly name: string
  readonly emptyDir?: { readonly medium?: string }
  readonly configMap?: { readonly name: string; readonly items?: readonly KeyToPath[]; readonly optional?: boolean }
  readonly secret?: { readonly secretName: string; readonly items?: readonly KeyToPath[]; readonly optional?: boolean }
  readonly projected?: ProjectedVolume
  readonly downwardAPI?: { readonly items: readonly DownwardApiItem[] }
  readonly hostPath?: { readonly path: string }
}
export interface KeyToPath {
  readonly key: string
  readonly path: string
}
export interface ProjectedVolume {
  readonly sources: readonly ProjectedSource[]
}
export interface ProjectedSource {
  readonly serviceAccountToken?: {
    readonly path: string
    readonly audience?: string
    readonly expirationSeconds: number
  }
  readonly downwardAPI?: { readonly items: readonly DownwardApiItem[] }
  readonly configMap?: { readonly name: string; readonly items?: readonly KeyToPath[]; readonly optional?: boolean }
}
export interface DownwardApiItem {
  readonly path: string
  readonly fieldRef?: { readonly fieldPath: string; readonly apiVersion?: string }
  readonly resourceFieldRef?: unknown
}

const SOURCES = ['emptyDir', 'configMap', 'secret', 'projected', 'downwardAPI', 'hostPath'] as const

const items = array(object<KeyToPath>({ key: required(string), path: required(string) }))

type ConfigMapSource = NonNullable<Volume['configMap']>
const configMap: Check<ConfigMapSource> = object<ConfigMapSource>({
  name: required(string),
  items: optional(items),
  optional: optional(boolean),
})

type DownwardApi = NonNullable<Volume['downwardAPI']>
const downwardApi: Check<DownwardApi> = object<DownwardApi>({
  items: withDefault(
    array(
      object<DownwardApiItem>({
        path: required(string),
        fieldRef: optional(
          object<NonNullable<DownwardApiItem['fieldRef']>>({
            fieldPath: required(string),
            apiVersion: optional(string),
          }),
        ),
        resourceFieldRef: optional(anything),
      }),
    ),
    () => [],
  ),
})

const known: Check<Volume> = object<Volume>({
  name: required(string),
  emptyDir: optional(object<NonNullable<Volume['emptyDir']>>({ medium: optional(string) })),
  configMap: optional(configMap),
  secret: optional(
    object<NonNullable<Volume['secret']>>({
      secretName: required(string),
      items: optional(items),
      optional: optional(boolean),
    }),
  ),
  projected: optional(
    object<ProjectedVolume>({
      sources: withDefault(
        array(
          object<ProjectedSource>({
            serviceAccountToken: optional(
              object<NonNullable<ProjectedSource['serviceAccountToken']>>({
                path: required(string),
                audience: optional(string),
                expirationSeconds: withDefault(integer(600, 2 ** 31 - 1), () => 3_600),
              }),
            ),
            downwardAPI: optional(downwardApi),
            configMap: optional(configMap),
          }),
        ),
        () => [],
      ),
    }),
  ),
  downwardAPI: optional(downwardApi),
  hostPath: optional(object<NonNullable<Volume['hostPath']>>({ path: required(string) }, { unknown: 'ignore' })),
})

export const volume: Check<Volume> = (value, path, report) => {
  if (isMap(value)) {
    const unknown = Object.keys(value).find(
      (key) => key !== 'name' && !SOURCES.includes(key as (typeof SOURCES)[number]),
    )
    if (unknown !== undefined) {
      return fail(report, [...path, unknown], `volumes of this kind are not supported; use ${SOURCES.join(', ')}`)
    }
  }
  return known(value, path, report)
}
