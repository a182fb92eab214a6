/** All commands of `weft`. They are loaded when they are asked for, so that each starts as fast as it can. */
import type { Command } from './command.ts'

export interface CommandEntry {
  /** One word, or two for the verbs of a running cluster. */
  readonly name: string
  readonly summary: string
  load(): Promise<Command>
}

const verb = (
  name: string,
  summary: string,
  pick: (verbs: typeof import('./commands/local-verbs.ts')) => Command,
): CommandEntry => ({
  name: `local ${name}`,
  summary,
  load: async () => pick(await import('./commands/local-verbs.ts')),
})

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'demo',
    summary: 'Run the demo shop on this machine',
    load: async () => (await import('./commands/demo.ts')).demo,
  },
  {
    name: 'local',
    summary: 'Run Kubernetes manifests on this machine, meshed',
    load: async () => (await import('./commands/local.ts')).local,
  },
  verb('get', 'Show objects of the running cluster', ({ get }) => get),
  verb('logs', 'Show what a container wrote', ({ logs }) => logs),
  verb('exec', 'Run a command in a container', ({ exec }) => exec),
  {
    name: 'local explain',
    summary: 'Say what the proxy of a pod would do with a request, and why',
    load: async () => (await import('./commands/local-explain.ts')).explain,
  },
  verb('scale', 'Change the number of replicas of a deployment', ({ scale }) => scale),
  verb('apply', 'Create or replace objects from a manifest', ({ apply }) => apply),
  verb('delete', 'Delete an object', ({ remove }) => remove),
  {
    name: 'profile',
    summary: 'Print a service profile for a service',
    load: async () => (await import('./commands/profile.ts')).profile,
  },
  {
    name: 'check-policy',
    summary: 'Check policies, routes and authorizations as the admission webhook does',
    load: async () => (await import('./commands/check-policy.ts')).checkPolicy,
  },
  {
    name: 'inject',
    summary: 'Add the proxy to the workloads of a Kubernetes manifest',
    load: async () => (await import('./commands/inject.ts')).inject,
  },
  {
    name: 'uninject',
    summary: 'Take the proxy out of the workloads of a Kubernetes manifest',
    load: async () => (await import('./commands/inject.ts')).uninject,
  },
  {
    name: 'redirect',
    summary: "Set a pod's redirect rules (what the init container runs)",
    load: async () => (await import('../injector/redirect.ts')).redirect,
  },
  {
    name: 'proxy',
    summary: 'Run the sidecar proxy (what the injected container runs)',
    load: async () => (await import('./commands/proxy.ts')).proxy,
  },
]
