/** The volumes that the patch brings: a place for the firewall's lock, the identity's directory, the token, the labels. */
import { Identity, VolumeName } from '../api/vocabulary.ts'
import type { InjectorConfig } from './config.ts'
import type { Volume } from './pod.ts'
import { podinfoVolume } from './tracing.ts'

export function meshVolumes(config: InjectorConfig): Volume[] {
  return [
    ...(config.cniEnabled ? [] : [volume(VolumeName.xtablesLock, { emptyDir: {} })]),
    volume(VolumeName.endEntity, { emptyDir: { medium: 'Memory' } }),
    ...(config.tokenProjection ? [tokenVolume()] : []),
    ...(config.tracing === undefined ? [] : [podinfoVolume()]),
  ]
}

/** A token for the identity service alone: its audience makes it worthless to the API server, and it expires. */
function tokenVolume(): Volume {
  const serviceAccountToken = {
    path: VolumeName.token,
    audience: Identity.tokenAudience,
    expirationSeconds: Identity.tokenLifetimeSeconds,
  }
  return volume(VolumeName.token, { projected: { sources: [{ serviceAccountToken }] } })
}

function volume(name: string, source: object): Volume {
  return { name, ...source }
}
