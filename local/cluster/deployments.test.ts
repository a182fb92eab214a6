import { test } from 'tap'
import { KubernetesLabel } from '../../api/vocabulary.ts'
import { deployment, pod } from '../testing/objects.ts'
import { ownedPods, planDeployment, podOf, podSuffix, templateHash } from './deployments.ts'

const web = (replicas: number) => deployment('web', replicas)

/** `R` ready, `w` waiting, `x` ending; lower rank `o`: ready but of an older template, `u`: older and not ready. */
function podsOf(letters: string) {
  const hash = templateHash(web(1))
  return [...letters].map((letter, index) =>
    pod(`p${index}`, {
      isReady: letter === 'R' || letter === 'o',
      isTerminating: letter === 'x',
      labels: { [KubernetesLabel.podTemplateHash]: letter === 'o' || letter === 'u' ? 'older' : hash },
    }),
  )
}

test('planDeployment', async (t) => {
  const cases = [
    { name: 'all pods are new', wanted: 3, pods: '', create: 3, remove: [] },
    { name: 'nothing to do', wanted: 2, pods: 'RR', create: 0, remove: [] },
    { name: 'scaled up', wanted: 5, pods: 'RRR', create: 2, remove: [] },
    { name: 'an ending pod is replaced at once', wanted: 2, pods: 'Rx', create: 1, remove: [] },
    { name: 'scaled down, waiting pods first', wanted: 1, pods: 'RwR', create: 0, remove: ['p1', 'p0'] },
    { name: 'scaled to nothing', wanted: 0, pods: 'RR', create: 0, remove: ['p0', 'p1'] },
    { name: 'a new template: one more first', wanted: 2, pods: 'oo', create: 1, remove: [] },
    { name: 'a new pod is not ready yet', wanted: 2, pods: 'oow', create: 0, remove: [] },
    { name: 'a new pod is ready: an old one goes', wanted: 2, pods: 'ooR', create: 0, remove: ['p0'] },
    { name: 'then the next one comes', wanted: 2, pods: 'xoR', create: 1, remove: [] },
    { name: 'old pods that are not ready go at once', wanted: 2, pods: 'uu', create: 1, remove: ['p0', 'p1'] },
    { name: 'a quarter of many at a time', wanted: 8, pods: 'oooooooo', create: 2, remove: [] },
  ]
  for (const { name, wanted, pods, create, remove } of cases) {
    const plan = planDeployment(web(wanted), podsOf(pods))
    t.equal(plan.create, create, `${name}: create`)
    t.same(plan.remove.map(({ metadata }) => metadata.name).sort(), [...remove].sort(), `${name}: remove`)
  }
})

test('a rollout ends, and service never falls below what is wanted', async (t) => {
  for (const wanted of [1, 2, 3, 10]) {
    let pods = podsOf('o'.repeat(wanted))
    for (let step = 0; step < 100; step++) {
      const { create, remove } = planDeployment(web(wanted), pods)
      if (create + remove.length === 0) break
      pods = pods.filter((each) => !remove.includes(each))
      const letters = 'R'.repeat(create)
      pods = [
        ...pods,
        ...podsOf(letters).map((each, index) => ({
          ...each,
          metadata: { ...each.metadata, name: `n${step}-${index}` },
        })),
      ]
      if (pods.length < wanted) t.fail(`${wanted}: only ${pods.length} left in step ${step}`)
    }
    t.equal(pods.length, wanted, `${wanted} pods in the end`)
    t.ok(
      pods.every(({ metadata }) => metadata.labels[KubernetesLabel.podTemplateHash] !== 'older'),
      'all of them new',
    )
  }
})

test('podOf makes pods that their deployment owns', async (t) => {
  const owner = web(2)
  const made = podOf(
    owner,
    podSuffix(() => 0),
  )
  t.match(made.metadata.name, /^web-[0-9a-f]{5}-bbbbb$/)
  t.same(ownedPods(owner, [made, pod('other')]), [made])
  t.equal(made.metadata.labels.app, 'web')
})
