/** What passes between the outer process and the supervisor. Both are of one build, so it is not checked. */

/** The first line on the control pipe. */
export interface SupervisorConfig {
  readonly clusterName: string
  /** Files and directories of manifests as the user wrote them: the supervisor has the user's working directory. */
  readonly paths: readonly string[]
  /** Where relative commands of containers start. */
  readonly workingDir: string
  readonly stateDirectory: string
  readonly isRootless: boolean
  /** PATH of the user, for the programs of containers. */
  readonly path: string
  /** Directory of the bundles (`programs.ts`). */
  readonly programs: string
  /** Node binary that runs them. */
  readonly node: string
  /** PEM of an issuer; without it one is made. */
  readonly issuer?: { readonly anchors: PemText; readonly certificate: PemText; readonly privateKey: PemText }
  /** Of the certificates of proxies; without it the control plane's own defaults. */
  readonly leaf?: LeafLifetime
  readonly clusterDomain: string
  /** When the user's command began, for the start-up time that is shown. */
  readonly startedAtMs: number
}

export interface LeafLifetime {
  readonly lifetimeMs: number
  /** Added on both sides. */
  readonly clockSkewMs: number
}

export interface PemText {
  readonly pem: string
  /** The file it came from, for messages. */
  readonly from: string
}

/** The supervisor's messages to the outer process, one JSON object per line on the control pipe. */
export type SupervisorMessage =
  /** The API answers; pods are on their way. */
  | { readonly type: 'started'; readonly startupMs: number }
  /** All pods are ready for the first time. */
  | { readonly type: 'ready'; readonly startupMs: number }
  /** The cluster cannot be; the supervisor ends. */
  | { readonly type: 'refused'; readonly sentences: readonly string[] }

export type OuterMessage = { readonly type: 'stop' }

/** File descriptor of the control pipe in the supervisor: its end means that the outer process is gone. */
export const CONTROL_FD = 3
