/** A gRPC client that holds nothing but streams finds replicas that came later (proxy/outbound/rebalance.ts). */
import {
  Client,
  type ClientDuplexStream,
  credentials,
  Server,
  ServerCredentials,
  type StatusObject,
} from '@grpc/grpc-js'
import { type Test, test } from 'tap'
import { ECHO, type EchoRequest, type EchoResponse } from '../mesh/app/grpc-echo.ts'
import { until } from './apps.ts'
import { type Pair, startPair } from './pair.ts'

const REBALANCE = { afterMs: 60_000, graceMs: 30_000 }
const SECOND = 1_000

/** A replica answers with its name. */
async function replica(t: Test, pod: string): Promise<number> {
  const server = new Server()
  server.addService({ chat: ECHO.chat, unary: ECHO.unary }, {
    chat(call: {
      on(event: string, hear: (message: EchoRequest) => void): void
      write(answer: EchoResponse): void
      end(): void
    }) {
      call.on('data', ({ text }) => call.write({ pod, text, received: 1 }))
      call.on('end', () => call.end())
      call.on('error', () => {})
    },
    unary: (_call: unknown, callback: (error: null, answer: EchoResponse) => void) =>
      callback(null, { pod, text: '', received: 1 }),
  } as never)
  t.teardown(() => server.forceShutdown())
  return new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    ),
  )
}

/** A client that keeps one stream open and opens it again when it ends. */
class Subscriber {
  readonly ends: number[] = []
  pod = ''
  readonly #client: Client
  #stream: ClientDuplexStream<EchoRequest, EchoResponse> | undefined = undefined
  #isClosed = false

  constructor(port: number) {
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
    })
    this.#open()
  }

  close(): void {
    this.#isClosed = true
    this.#stream?.cancel()
    this.#client.close()
  }

  #open(): void {
    const { path, requestSerialize, responseDeserialize } = ECHO.chat
    const stream = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
    this.#stream = stream
    stream.on('data', ({ pod }: EchoResponse) => {
      this.pod = pod
    })
    stream.on('error', () => {})
    stream.on('status', ({ code }: StatusObject) => {
      if (this.#isClosed) return
      this.ends.push(code)
      this.pod = ''
      this.#open()
    })
    stream.write({ text: 'who' })
  }
}

async function start(t: Test, rebalance: typeof REBALANCE | undefined) {
  const ports = [await replica(t, 'old'), await replica(t, 'new'), await replica(t, 'newer')]
  const pair: Pair = await startPair({ appPorts: [ports[0]!], ...(rebalance && { rebalance }) })
  t.teardown(() => pair.close())
  const subscribers = Array.from({ length: 9 }, () => new Subscriber(pair.port))
  t.teardown(() => {
    for (const each of subscribers) each.close()
  })
  const pods = () => subscribers.map(({ pod }) => pod)
  await until(() => pods().every((pod) => pod === 'old'))
  pair.setEndpoints(ports)
  return { pair, subscribers, pods, ports }
}

test('subscribers of one replica are moved when two more have been there for a while', async (t) => {
  const { pair, subscribers, pods } = await start(t, REBALANCE)
  const beganMs = performance.now()
  const run = (fromMs: number, untilMs: number): void => {
    for (let at = fromMs; at <= untilMs; at += SECOND) pair.tick(beganMs + at)
  }
  // The new endpoints become ready by themselves, in real time.
  const client = new Client(`127.0.0.1:${pair.port}`, credentials.createInsecure())
  t.teardown(() => client.close())
  const { path, requestSerialize, responseDeserialize } = ECHO.unary
  const seen = new Set<string>()
  let asked = 0
  let answered = 0
  const ask = () => {
    asked++
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { text: '' }, (_error, answer) => {
      answered++
      if (answer) seen.add(answer.pod)
    })
  }
  await until(() => {
    if (seen.size < 3) ask()
    // The clock below runs ahead: a request in flight would be an old one.
    return seen.size === 3 && answered === asked
  })
  t.same([...seen].sort(), ['new', 'newer', 'old'], 'requests reach new replicas at once')

  run(0, 100_000)
  t.ok(
    subscribers.every(({ ends }) => ends.length === 0),
    'nobody is moved before an imbalance has lasted',
  )
  run(101_000, 130_000)
  t.ok(
    subscribers.every(({ ends }) => ends.length === 0),
    'a GOAWAY ends no stream',
  )
  run(131_000, 200_000)
  // Three of nine are the first replica's share. Where the others open their streams is up to the balancer.
  const moved = () => subscribers.filter(({ ends }) => ends.length > 0)
  await until(() => moved().length === 6 && pods().every((pod) => pod !== ''))
  t.pass('who was moved has a replica again')
  t.same(new Set(moved().flatMap(({ ends }) => ends)), new Set([14]), 'and was told UNAVAILABLE')
})

test('without the setting streams stay', async (t) => {
  const { pair, subscribers } = await start(t, undefined)
  const beganMs = performance.now()
  for (let at = 0; at <= 600_000; at += SECOND) pair.tick(beganMs + at)
  await new Promise((resolve) => setImmediate(resolve))
  t.ok(subscribers.every(({ ends }) => ends.length === 0))
})
