import { join } from 'node:path'
import { test } from 'tap'
import { parseManifests } from '../../api/resources/manifests.ts'
import { demoProfiles } from './demo-shop.ts'

test('the demo’s profiles are good, and say what may be repeated', async (t) => {
  const profiles = demoProfiles(join(import.meta.dirname, '..', '..'))
  const { objects, problems } = parseManifests(profiles.map(({ manifest }) => manifest).join('---\n'), 'profiles.yaml')
  t.same(problems, [])
  const retryable = objects.flatMap((object) =>
    object.kind === 'ServiceProfile'
      ? object.spec.routes.filter(({ isRetryable }) => isRetryable).map(({ name }) => `${object.metadata.name} ${name}`)
      : [],
  )
  t.same(retryable, [
    'prices.shop.svc.cluster.local GET /v1/prices/{itemId}',
    'prices.shop.svc.cluster.local POST /v1/quotes',
    'inventory.shop.svc.cluster.local GetStock',
  ])
})
