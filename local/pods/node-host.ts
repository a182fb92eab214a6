/** The node as pods see it: where things are, what the store knows, and how our own containers find their programs. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { StringMap } from '../../api/resources/check.ts'
import type { Container } from '../../api/resources/pod.ts'
import type { LocalTokens } from '../../control/identity/local-tokens.ts'
import type { ResourceStore } from '../../control/resources/store.ts'
import { COVERS_DIRECTORY, INNER_STATE_DIRECTORY, PODS_DIRECTORY, visiblePaths } from '../launch.ts'
import { NODE_NAME } from '../network/addresses.ts'
import type { PodNetworks } from '../network/pod-network.ts'
import { LOGS } from '../state-directory.ts'
import type { SupervisorConfig } from '../supervisor-config.ts'
import type { Tools } from '../tools.ts'
import { planVisibility } from '../visibility.ts'
import type { PodHost } from './pod-runner.ts'

export interface NodeHostOptions {
  readonly config: SupervisorConfig
  readonly tools: Tools
  readonly networks: PodNetworks
  readonly store: ResourceStore
  readonly tokens: LocalTokens
  /** Directory of Node and the bundles. */
  readonly bin: string
  readonly entrypointOf: (container: Container, node: string, bin: string) => readonly string[] | undefined
  readonly resolvConf: (namespace: string) => string
  readonly mayStart: PodHost['mayStart']
}

export function nodeHost({
  config,
  tools,
  networks,
  store,
  tokens,
  bin,
  entrypointOf,
  resolvConf,
  mayStart,
}: NodeHostOptions): PodHost {
  return {
    tools,
    networks,
    podsDirectory: PODS_DIRECTORY,
    logsDirectory: join(INNER_STATE_DIRECTORY, LOGS),
    workingDir: config.workingDir,
    isRootless: config.isRootless,
    // Nothing of the user's own environment: it may hold secrets.
    baseEnvironment: new Map([
      ['PATH', config.path],
      ['HOME', '/tmp'],
      ['LANG', 'C.UTF-8'],
    ]),
    covers: planVisibility(visiblePaths(config), COVERS_DIRECTORY).covers,
    bin,
    resolvConf,
    mayStart,
    entrypoint: (container) => entrypointOf(container, join(bin, 'node'), bin),
    sources: ({ metadata }) => ({
      nodeName: NODE_NAME,
      configMap: (name) => store.get('ConfigMap', metadata.namespace, name)?.data,
      secret: (name) => decoded(store.get('Secret', metadata.namespace, name)?.data),
      token: (pod, audience, lifetimeMs) =>
        tokens.issue(
          {
            namespace: pod.metadata.namespace,
            serviceAccount: pod.spec.serviceAccountName,
            pod: pod.metadata.name,
            podUid: pod.metadata.uid,
          },
          lifetimeMs,
          audience,
        ),
    }),
    writeFile(path, text) {
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, text, { mode: 0o644 })
    },
  }
}

function decoded(data: StringMap | undefined): StringMap | undefined {
  if (data === undefined) return undefined
  return Object.fromEntries(
    Object.entries(data).map(([key, text]) => [key, Buffer.from(text, 'base64').toString('utf8')]),
  )
}
