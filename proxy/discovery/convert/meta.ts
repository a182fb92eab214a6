/** `meta.proto` to `Meta`, and the older labels that inbound policies still carry. */
import type { Metadata } from '../../../api/gen/meta_pb.js'
import { defaultMeta, type Meta } from '../../policy/meta.ts'
import { Refused, required } from './refused.ts'

/** @param needsNamespace outbound messages name the namespace of every resource, inbound ones need not */
export function metaOf(message: Metadata | undefined, what: string, needsNamespace: boolean): Meta {
  const { kind } = required(message, `metadata of ${what}`)
  switch (kind.case) {
    case 'default':
      return defaultMeta(kind.value)
    case 'resource': {
      const { group, kind: resourceKind, name, namespace, section, port, weftGeneration } = kind.value
      for (const [field, value] of Object.entries({ group, kind: resourceKind, name })) {
        if (value === '') throw new Refused(`metadata of ${what} has no ${field}`)
      }
      if (needsNamespace && namespace === '') throw new Refused(`metadata of ${what} has no namespace`)
      const meta = { group, kind: resourceKind, namespace, name, section, port: port > 65_535 ? 0 : port }
      return weftGeneration === 0n ? meta : { ...meta, generation: Number(weftGeneration) }
    }
    case undefined:
      throw new Refused(`metadata of ${what} is neither a default nor a resource`)
  }
}

/** Our own control plane says of a server, which has only labels, what `weft_generation` says of everything else. */
const GENERATION_LABEL = 'weft_generation'

/** Reads `group`, `kind`, `name` labels; without a kind the name may be `default:<x>` or `<kind>:<name>`. */
export function metaOfLabels(labels: { readonly [key: string]: string }, defaultKind: string): Meta {
  const label = (key: string): string | undefined => (Object.hasOwn(labels, key) ? labels[key] : undefined)
  const name = required(label('name'), 'the label "name"')
  const group = label('group') ?? 'policy.linkerd.io'
  const kind = label('kind')
  if (kind === 'default' && group === '') return defaultMeta(name)
  if (kind !== undefined) {
    const generation = Number(label(GENERATION_LABEL))
    const meta = resource(group, kind, name)
    return Number.isSafeInteger(generation) && generation > 0 ? { ...meta, generation } : meta
  }
  const [, prefix, rest] = /^([^:]+):(.+)$/s.exec(name) ?? []
  if (prefix === undefined) return resource(group, defaultKind, name)
  return prefix === 'default' ? defaultMeta(rest!) : resource(group, prefix, rest!)
}

function resource(group: string, kind: string, name: string): Meta {
  return { group, kind, namespace: '', name, section: '', port: 0 }
}
