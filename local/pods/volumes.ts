/**
 * The volumes of a pod as directories in memory: made when it starts, gone with it.
 *
 * Only containers that mount a volume can reach it, and its files belong to the user of those containers; where
 * several users share one, to all of them.
 */
import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import type { StringMap } from '../../api/resources/check.ts'
import type { Container, Pod } from '../../api/resources/pod.ts'
import type { DownwardApiItem, KeyToPath, Volume } from '../../api/resources/volume.ts'
import { ContainerConfigError, type EnvironmentSources, podField } from './environment.ts'

export interface VolumeSources extends EnvironmentSources {
  /** A service-account token for this pod. */
  token(pod: Pod, audience: string | undefined, lifetimeMs: number): Promise<string>
}

export interface UserIds {
  readonly uid: number
  readonly gid: number
}

export interface MadeVolume {
  readonly path: string
  /** When its token has to be written again; `undefined` when it has none. */
  readonly refreshInMs: number | undefined
}

/** Kubernetes asks for a new token after 80 % of its life. */
const TOKEN_REFRESH_SHARE = 0.8

/**
 * Makes (or refreshes) one volume below `directory`.
 *
 * @throws ContainerConfigError when it refers to something that does not exist
 */
export async function makeVolume(
  volume: Volume,
  pod: Pod,
  directory: string,
  users: readonly UserIds[],
  sources: VolumeSources,
): Promise<MadeVolume> {
  if (volume.hostPath !== undefined)
    return { path: existing(volume.hostPath.path, volume.name), refreshInMs: undefined }
  const path = join(directory, volume.name)
  const files = new Map<string, string | Buffer>()
  let refreshInMs: number | undefined
  addConfigMap(volume.configMap, files, volume.name, sources)
  if (volume.secret !== undefined) {
    const data = sources.secret(volume.secret.secretName)
    addKeys(data, volume.secret, files, `volume ${volume.name}: there is no Secret ${volume.secret.secretName}`)
  }
  addFields(volume.downwardAPI?.items, pod, files, volume.name, sources)
  for (const { serviceAccountToken, downwardAPI, configMap } of volume.projected?.sources ?? []) {
    addConfigMap(configMap, files, volume.name, sources)
    addFields(downwardAPI?.items, pod, files, volume.name, sources)
    if (serviceAccountToken === undefined) continue
    const lifetimeMs = serviceAccountToken.expirationSeconds * 1_000
    files.set(serviceAccountToken.path, await sources.token(pod, serviceAccountToken.audience, lifetimeMs))
    refreshInMs = Math.min(refreshInMs ?? Number.POSITIVE_INFINITY, lifetimeMs * TOKEN_REFRESH_SHARE)
  }
  write(path, files, users, volume.emptyDir !== undefined)
  return { path, refreshInMs }
}

/** The users of all containers that mount `volume`, without repetition. */
export function usersOf(volume: string, pod: Pod, idsOf: (container: Container) => UserIds): UserIds[] {
  const users = new Map<number, UserIds>()
  for (const container of [...pod.spec.initContainers, ...pod.spec.containers]) {
    if (!container.volumeMounts.some(({ name }) => name === volume)) continue
    const ids = idsOf(container)
    users.set(ids.uid, ids)
  }
  return [...users.values()]
}

function write(
  path: string,
  files: ReadonlyMap<string, string | Buffer>,
  users: readonly UserIds[],
  isWritable: boolean,
): void {
  const [only] = users
  const owner = users.length === 1 ? only : undefined
  mkdirSync(path, { recursive: true })
  for (const [name, content] of files) {
    const file = join(path, safe(name, path))
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 })
    writeFileSync(file, content, { mode: 0o600 })
    chmodSync(file, owner === undefined ? 0o444 : 0o400)
    if (owner !== undefined) chownSync(file, owner.uid, owner.gid)
  }
  if (owner !== undefined) chownSync(path, owner.uid, owner.gid)
  chmodSync(path, owner !== undefined ? 0o700 : isWritable ? 0o777 : 0o755)
}

function safe(name: string, volume: string): string {
  const path = normalize(name)
  if (path.startsWith('/') || path.split('/').includes('..')) {
    throw new ContainerConfigError(`volume ${volume}: path ${name} leaves the volume; give a relative path without ..`)
  }
  return path
}

function existing(path: string, name: string): string {
  try {
    statSync(path)
    return path
  } catch {
    throw new ContainerConfigError(`volume ${name}: this machine has no ${path}; create it or correct hostPath.path`)
  }
}

interface Keys {
  readonly items?: readonly KeyToPath[]
  readonly optional?: boolean
}

function addConfigMap(
  source: (Keys & { readonly name: string }) | undefined,
  files: Map<string, string | Buffer>,
  volume: string,
  sources: EnvironmentSources,
): void {
  if (source === undefined) return
  addKeys(sources.configMap(source.name), source, files, `volume ${volume}: there is no ConfigMap ${source.name}`)
}

function addKeys(
  data: StringMap | undefined,
  source: Keys,
  files: Map<string, string | Buffer>,
  missing: string,
): void {
  if (data === undefined) {
    if (source.optional === true) return
    throw new ContainerConfigError(`${missing} in the pod's namespace; add it`)
  }
  const items = source.items ?? Object.keys(data).map((key) => ({ key, path: key }))
  for (const { key, path } of items) {
    const value = Object.hasOwn(data, key) ? data[key] : undefined
    if (value !== undefined) files.set(path, value)
    else if (source.optional !== true) throw new ContainerConfigError(`${missing} with a key ${key}; add it`)
  }
}

function addFields(
  items: readonly DownwardApiItem[] | undefined,
  pod: Pod,
  files: Map<string, string | Buffer>,
  volume: string,
  sources: EnvironmentSources,
): void {
  for (const { path, fieldRef } of items ?? []) {
    const value = fieldRef === undefined ? '' : podField(pod, fieldRef.fieldPath, sources.nodeName)
    if (value === undefined)
      throw new ContainerConfigError(`volume ${volume}: a pod has no field ${fieldRef?.fieldPath}`)
    files.set(path, value)
  }
}
