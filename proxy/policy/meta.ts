/**
 * Where a piece of configuration comes from: a Kubernetes resource, or a default that only has a name.
 * Metrics, logs and error messages name it; no decision depends on it.
 */
export interface Meta {
  /** `core`, `policy.linkerd.io`, `gateway.networking.k8s.io` …; empty for defaults. */
  readonly group: string
  /** `Service`, `HTTPRoute` …; `default` for defaults. */
  readonly kind: string
  readonly namespace: string
  readonly name: string
  /** Section name; empty without one. */
  readonly section: string
  /** 0 without one. */
  readonly port: number
  /** Which state of the resource this is; absent where the control plane does not say. */
  readonly generation?: number
}

/** The meta of something no resource describes. */
export function defaultMeta(name: string): Meta {
  return { group: '', kind: 'default', namespace: '', name, section: '', port: 0 }
}

export function isDefault({ group, kind }: Meta): boolean {
  return group === '' && kind === 'default'
}

/** For messages: `HTTPRoute web.emojivoto`, `Service web.emojivoto:80`, `default http`. */
export function describeMeta({ kind, namespace, name, port }: Meta): string {
  return `${kind} ${name}${namespace === '' ? '' : `.${namespace}`}${port === 0 ? '' : `:${port}`}`
}

/** A policy message that was refused whole. HTTP is answered 500 (outbound) or 403 (inbound), connections fail. */
export interface InvalidPolicy {
  readonly kind: 'invalid'
  readonly reason: string
}
