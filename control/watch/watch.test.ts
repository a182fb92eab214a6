/** Views, refreshes and the streams over them, with a call that is only written down. */
import { test } from 'tap'
import type { Kind } from '../../api/resources/kinds.ts'
import { Cluster } from '../cluster/cluster.ts'
import { DEFAULT_CLUSTER_CONFIG } from '../cluster/config.ts'
import { pod, service, slice, storeOf } from '../cluster/fixtures.ts'
import type { StreamingCall } from '../grpc/call.ts'
import { GrpcError, toStatus } from '../grpc/error.ts'
import { status } from '../grpc/status.ts'
import { Refresher } from './refresher.ts'
import { type Track, Views } from './views.ts'
import { type Step, WatchStreams } from './watch-stream.ts'

const PODS: ReadonlySet<Kind> = new Set(['Pod'])
const readsPods: Track = (compute) => ({ value: compute(), kinds: PODS })

/** A client whose window is opened by hand. */
class FakeCall {
  readonly request = undefined
  onCancelled: (() => void) | undefined = undefined
  readonly log: string[] = []
  readonly #pending: (() => void)[] = []

  write(message: string, written: () => void): void {
    this.log.push(message)
    this.#pending.push(written)
  }

  fail(error: unknown): void {
    const { code, message } = toStatus(error)
    const name = Object.entries(status).find(([, each]) => each === code)?.[0]
    this.log.push(`error ${name}: ${message}`)
  }

  end(): void {
    this.log.push('end')
  }

  /** The client reads everything on its way, and perhaps what that sets free. */
  read(): void {
    for (const written of this.#pending.splice(0)) written()
  }

  get asCall(): StreamingCall<unknown, string> {
    return this as unknown as StreamingCall<unknown, string>
  }
}

function setUp(step: (value: number) => Step<string> = (value) => ({ messages: [`${value}`] })) {
  const views = new Views<number>(readsPods)
  const streams = new WatchStreams()
  const call = new FakeCall()
  const errors: unknown[] = []
  const state = { value: 1 }
  const set = (value: number) => {
    state.value = value
    views.refresh(PODS)
  }
  const serve = () =>
    streams.serve(call.asCall, {
      open: (onChange) => views.watch('key', () => state.value, onChange),
      step,
      onError: (error) => errors.push(error),
    })
  return { views, streams, call, errors, set, serve }
}

test('the state goes out at once, then every change', async (t) => {
  const { call, set, serve } = setUp()
  serve()
  t.same(call.log, ['1'])
  call.read()
  set(2)
  call.read()
  set(2)
  t.same(call.log, ['1', '2'], 'the same value is no change')
})

test('a client that does not read gets the latest state when it does', async (t) => {
  const { call, set, serve } = setUp()
  serve()
  for (let value = 2; value <= 1_000; value++) set(value)
  t.same(call.log, ['1'])
  call.read()
  t.same(call.log, ['1', '1000'])
})

test('a step of several messages counts as one', async (t) => {
  const { call, set, serve } = setUp((value) => ({ messages: [`${value}a`, `${value}b`] }))
  serve()
  set(2)
  set(3)
  call.read()
  t.same(call.log, ['1a', '1b', '3a', '3b'])
})

test('a step may have nothing to say', async (t) => {
  const { call, set, serve } = setUp((value) => ({ messages: value % 2 === 0 ? [] : [`${value}`] }))
  serve()
  call.read()
  set(2)
  set(3)
  t.same(call.log, ['1', '3'])
})

test('ends', async (t) => {
  const ended = setUp((value) => ({ messages: [`${value}`], ...(value === 2 && { end: 'ok' as const }) }))
  ended.serve()
  ended.call.read()
  ended.set(2)
  ended.set(3)
  t.same(ended.call.log, ['1', '2', 'end'], 'with OK')

  const failed = setUp(() => ({ messages: [], end: new GrpcError(status.NOT_FOUND, 'gone') }))
  failed.serve()
  t.same(failed.call.log, ['error NOT_FOUND: gone'])
  t.same(failed.errors, [], 'which the client is meant to see')

  const broken = setUp(() => {
    throw new TypeError('secret')
  })
  broken.serve()
  t.same(
    broken.call.log,
    ['error INTERNAL: internal error; see the log of the control plane'],
    'our own bugs are not told to clients',
  )
  t.match(broken.errors, [{ message: 'secret' }], 'but to the log')

  for (const { views, streams } of [ended, failed, broken]) {
    t.equal(views.size, 0, 'nothing is watched any more')
    t.equal(streams.size, 0)
  }
})

test('a client that leaves is forgotten', async (t) => {
  const { call, views, streams, set, serve } = setUp()
  serve()
  call.onCancelled?.()
  t.equal(views.size + streams.size, 0)
  set(2)
  t.same(call.log, ['1'])
})

test('closing ends every stream once', async (t) => {
  const { call, streams, serve } = setUp()
  serve()
  streams.endAll()
  streams.endAll()
  call.read()
  t.same(call.log, ['1', 'end'])
})

test('a view is computed once for all who watch it', async (t) => {
  const views = new Views<number>(readsPods)
  let computed = 0
  const watch = (key: string, heard: string[], name: string) =>
    views.watch(
      key,
      () => ++computed,
      () => heard.push(name),
    )
  const heard: string[] = []
  const [a, b, c] = [watch('x', heard, 'a'), watch('x', heard, 'b'), watch('y', heard, 'c')]
  t.equal(computed, 2)
  t.equal(a.current(), b.current())
  views.refresh(PODS)
  t.equal(computed, 4)
  t.same(heard, ['a', 'b', 'c'])
  a.close()
  a.close()
  t.equal(views.size, 2, 'b still watches x')
  b.close()
  c.close()
  t.equal(views.size, 0)
})

test('a view is computed again when what it read has changed, and only then', async (t) => {
  const store = storeOf()
  const cluster = new Cluster(store, DEFAULT_CLUSTER_CONFIG)
  const views = new Views<string>((compute) => cluster.tracked(compute))
  cluster.subscribe((_, wanted) => views.refresh(wanted))
  const counts = { service: 0, endpoints: 0, both: 0 }
  // Reads EndpointSlices once there is a Service, and not before.
  const both = () => {
    counts.both++
    return cluster.get('Service', 'shop', 'web') === undefined ? 'none' : `${cluster.slicesOf('shop', 'web').length}`
  }
  views.watch(
    'service',
    () => `${++counts.service} ${cluster.list('Service').length}`,
    () => {},
  )
  // What is derived counts as read by all who ask for it, whoever had it computed.
  views.watch(
    'endpoints',
    () => `${++counts.endpoints} ${cluster.slicesOf('shop', 'web').length}`,
    () => {},
  )
  const watch = views.watch('both', both, () => {})
  const steps = [
    {
      name: 'a kind that nobody reads',
      apply: pod({ name: 'web-1', ip: '10.0.0.1' }),
      is: { service: 1, endpoints: 1, both: 1 },
    },
    {
      name: 'a kind that one does not read yet',
      apply: slice({ service: 'web' }),
      is: { service: 1, endpoints: 2, both: 1 },
    },
    {
      name: 'which it does now',
      apply: service({ name: 'web', clusterIP: '10.96.0.1' }),
      is: { service: 2, endpoints: 2, both: 2 },
    },
    {
      name: 'and hears of',
      apply: slice({ service: 'web', name: 'web-2' }),
      is: { service: 2, endpoints: 3, both: 3 },
    },
  ]
  for (const { name, apply, is } of steps) {
    store.apply([apply])
    t.same(counts, is, name)
  }
  t.equal(watch.current(), '2')
})

test('a refresh comes once per turn', async (t) => {
  let refreshed = 0
  const turns: (() => void)[] = []
  const refresher = new Refresher(
    () => refreshed++,
    (run) => turns.push(run),
  )
  refresher.changed()
  refresher.changed()
  t.equal(turns.length, 1)
  turns.shift()!()
  t.equal(refreshed, 1)
  refresher.changed()
  refresher.close()
  turns.shift()!()
  refresher.changed()
  t.equal(refreshed, 1, 'and not after the end')
  t.equal(turns.length, 0)
})
