/**
 * What a manifest must fulfil to run on one machine, beyond being a correct object: its namespace and accounts exist,
 * its programs exist, its ports do not collide. Asked before anything of a change is taken in.
 */
import { resolve } from 'node:path'
import { formatPath, type Path } from '../../api/resources/check.ts'
import { type Kind, nameOf, type Resource } from '../../api/resources/kinds.ts'
import type { Location, Problem } from '../../api/resources/manifests.ts'
import type { Container, PodSpec } from '../../api/resources/pod.ts'
import type { Service } from '../../api/resources/service.ts'
import { Inject, Port } from '../../api/vocabulary.ts'
import { admit } from '../../control/policy/admission/admit.ts'
import type { ResourceStore } from '../../control/resources/store.ts'
import { SERVICE_NETWORK } from '../network/addresses.ts'

export interface RuleContext {
  /** What is there besides the given objects. */
  readonly store: ResourceStore
  readonly workingDir: string
  /** Whether a program without slash is found on PATH, or a file can be executed. */
  isProgram(name: string): boolean
}

export interface Given {
  readonly objects: readonly Resource[]
  /** The place of an object, or of one of its fields as far as it is known. */
  locate(object: Resource, path: Path): Location
}

export function checkRules(given: Given, context: RuleContext): Problem[] {
  return given.objects.flatMap((object) => {
    const found: [Path, string][] = [...placeProblems(object, given, context)]
    for (const { path, message } of admit(object)) found.push([path, message])
    if (object.kind === 'Service') found.push(...addressProblems(object, given, context))
    const pod = podSpecOf(object)
    if (pod !== undefined) found.push(...podProblems(pod, object, given, context))
    return found.map(
      ([path, message]): Problem => ({
        ...given.locate(object, path),
        object: nameOf(object),
        field: formatPath(path),
        message,
      }),
    )
  })
}

/** Fields that mean nothing without a container runtime; one note for each, where it stands first. */
export function ignoredFields(given: Given): Problem[] {
  const notes = new Map<string, Problem>()
  for (const object of given.objects) {
    const pod = podSpecOf(object)
    if (pod === undefined) continue
    for (const [list, index, container] of containersOf(pod.spec)) {
      for (const [field, message] of IGNORED) {
        if (notes.has(field) || container[field] === undefined || container[field] === '') continue
        const place = given.locate(object, [...pod.path, list, index, field])
        notes.set(field, { ...place, object: '', field, message })
      }
    }
  }
  return [...notes.values()]
}

const IGNORED = [
  ['image', 'is ignored, here and elsewhere: containers run as processes of this machine'],
  ['resources', 'is ignored, here and elsewhere: there are no limits on one machine'],
] as const

type Found = [Path, string]

function* placeProblems(object: Resource, given: Given, { store }: RuleContext): Generator<Found> {
  const { namespace } = object.metadata
  if (namespace === '' || exists('Namespace', '', namespace, given, store)) return
  yield [['metadata', 'namespace'], `there is no Namespace ${namespace}; add it to a manifest`]
}

function* addressProblems(service: Service, given: Given, { store }: RuleContext): Generator<Found> {
  const { clusterIP } = service.spec
  if (clusterIP === '' || clusterIP === 'None') return
  const path = ['spec', 'clusterIP']
  const prefix = `${SERVICE_NETWORK.split('.').slice(0, 2).join('.')}.`
  if (!clusterIP.startsWith(prefix))
    return yield [path, `${clusterIP} is not in ${SERVICE_NETWORK}; leave it out to get an address`]
  const all = [...given.objects.filter((each): each is Service => each.kind === 'Service'), ...store.list('Service')]
  const holder = all.find((each) => nameOf(each) !== nameOf(service) && each.spec.clusterIP === clusterIP)
  if (holder !== undefined) yield [path, `${clusterIP} belongs to ${nameOf(holder)}; choose another or leave it out`]
}

interface PodIn {
  readonly spec: PodSpec
  readonly path: Path
  readonly annotations: Readonly<Record<string, string>>
}

function* podProblems(
  { spec, path, annotations }: PodIn,
  object: Resource,
  given: Given,
  context: RuleContext,
): Generator<Found> {
  const { namespace } = object.metadata
  const account = spec.serviceAccountName
  if (account !== 'default' && !exists('ServiceAccount', namespace, account, given, context.store)) {
    yield [[...path, 'serviceAccountName'], `there is no ServiceAccount ${namespace}/${account}; add it to a manifest`]
  }
  if (spec.hostNetwork)
    yield [[...path, 'hostNetwork'], 'is not possible here: nothing of the machine’s own network is touched; remove it']
  const isMeshed = isInjected(annotations, namespace, given, context.store)
  const holders = new Map<string, string>()
  for (const [list, index, container] of containersOf(spec)) {
    const at = [...path, list, index]
    yield* commandProblems(container, at, context)
    for (const [portIndex, { containerPort, protocol }] of container.ports.entries()) {
      const portPath = [...at, 'ports', portIndex, 'containerPort']
      const key = `${containerPort}/${protocol}`
      const holder = holders.get(key)
      if (holder !== undefined)
        yield [portPath, `${key} is in use by container ${holder} of the same pod; choose another`]
      if (isMeshed && PROXY_PORTS.has(containerPort))
        yield [portPath, `${containerPort} is in use by the pod’s proxy; choose another`]
      holders.set(key, container.name)
    }
  }
}

const PROXY_PORTS: ReadonlySet<number> = new Set([Port.inbound, Port.outbound, Port.admin, Port.control])

function* commandProblems(container: Container, at: Path, { workingDir, isProgram }: RuleContext): Generator<Found> {
  const [program] = container.command ?? []
  if (program === undefined) {
    yield [
      [...at, 'command'],
      `container ${container.name} has none, and there are no images here to take it from; add command`,
    ]
    return
  }
  if (program.includes('$(')) return
  const inDir = resolve(workingDir, container.workingDir ?? '.')
  if (isProgram(program.includes('/') ? resolve(inDir, program) : program)) return
  const where = program.includes('/') ? `in ${inDir}` : 'on PATH'
  yield [[...at, 'command'], `there is no program ${program} ${where}; install it or correct the command`]
}

function isInjected(
  annotations: Readonly<Record<string, string>>,
  namespace: string,
  given: Given,
  store: ResourceStore,
): boolean {
  const own = Object.hasOwn(annotations, Inject.annotation) ? annotations[Inject.annotation] : undefined
  const ofNamespace = find('Namespace', '', namespace, given, store)?.metadata.annotations[Inject.annotation]
  const value = own ?? ofNamespace
  return value === Inject.enabled || value === Inject.ingress
}

function podSpecOf(object: Resource): PodIn | undefined {
  if (object.kind === 'Deployment') {
    const { spec, metadata } = object.spec.template
    return { spec, path: ['spec', 'template', 'spec'], annotations: metadata.annotations }
  }
  if (object.kind === 'Pod') return { spec: object.spec, path: ['spec'], annotations: object.metadata.annotations }
  return undefined
}

function* containersOf(spec: PodSpec): Generator<['initContainers' | 'containers', number, Container]> {
  for (const list of ['initContainers', 'containers'] as const) {
    for (const [index, container] of spec[list].entries()) yield [list, index, container]
  }
}

function exists(kind: Kind, namespace: string, name: string, given: Given, store: ResourceStore): boolean {
  return find(kind, namespace, name, given, store) !== undefined
}

function find(kind: Kind, namespace: string, name: string, given: Given, store: ResourceStore): Resource | undefined {
  return (
    given.objects.find(
      (each) => each.kind === kind && each.metadata.namespace === namespace && each.metadata.name === name,
    ) ?? store.get(kind, namespace, name)
  )
}
