import http2 from 'node:http2'
import t, { type Test, test } from 'tap'
import { type App, connectHttp2, until } from '../../proxy/apps.ts'
import { type Pair, startPair } from '../../proxy/pair.ts'
import { startCompressingServer } from './compressing-server.ts'
import { COMPRESSION_CASES } from './compression-cases.ts'
import { findGoInterop, GO_CASES, GO_SOAKS, type GoInterop, runGoCase, startGoServer } from './go-interop.ts'
import { JS_CASES } from './js-cases.ts'
import { connectJs } from './js-client.ts'
import { startJsServer } from './js-server.ts'
import { JS_SOAKS } from './soak.ts'

const BUILD_AND_RUN_MS = 900_000
/** Of one test; a call that hangs must not hold up the suite. */
const timeout = 120_000
const SHORT_SOAK_MS = 3_000
const SHORT_SOAK_ARGS = ['--soak_iterations', '100', '--soak_num_threads', '4', '--soak_overall_timeout_seconds', '60']
/** Latency is not what this is about: the machine may be busy. */
const PATIENT = ['--soak_per_iteration_max_acceptable_latency_ms', '100000']

t.setTimeout(BUILD_AND_RUN_MS)
const go = await findGoInterop()
const skip = typeof go === 'string' ? go : false

interface Bed {
  readonly app: App
  readonly pair: Pair
}

async function startBed(t: Test, app: App): Promise<Bed> {
  const pair = await startPair({ appPorts: [app.port] })
  t.teardown(() => {
    pair.close()
    app.close()
  })
  return { app, pair }
}

/** No stream is left behind between the proxies or at the application, however the calls ended. */
async function nothingIsLeft({ pair }: Bed): Promise<void> {
  await until(() => pair.open().upstream === 0 && pair.open().app === 0)
}

const SERVERS = [
  { name: 'go', skip, start: () => startGoServer(go as GoInterop) },
  { name: 'js', skip: false as const, start: startJsServer },
] as const

for (const server of SERVERS) {
  test(`grpc-go client, ${server.name} server, two proxies with mTLS`, {
    skip: server.skip || skip,
    timeout,
  }, async (t) => {
    const bed = await startBed(t, await server.start())
    for (const { name, args } of GO_CASES) {
      // Backend metrics are an addition of grpc-go.
      if (server.name === 'js' && name.startsWith('orca')) continue
      await t.resolves(runGoCase(go as GoInterop, bed.pair.port, name, args), name)
    }
    if (server.name === 'js') await t.resolves(runGoCase(go as GoInterop, bed.pair.port, 'pick_first_unary'))
    for (const name of GO_SOAKS)
      await t.resolves(runGoCase(go as GoInterop, bed.pair.port, name, [...SHORT_SOAK_ARGS, ...PATIENT]), name)
    await nothingIsLeft(bed)
  })

  test(`grpc-js client, ${server.name} server, two proxies with mTLS`, { skip: server.skip, timeout }, async (t) => {
    const bed = await startBed(t, await server.start())
    const client = connectJs(bed.pair.port)
    t.teardown(() => client.close())
    for (const { name, servers, run } of JS_CASES)
      if (servers.includes(server.name)) await t.resolves(run(client, bed.pair.port), name)
    for (const { name, run } of JS_SOAKS) {
      const { failures, calls } = await run(bed.pair.port, performance.now() + SHORT_SOAK_MS)
      t.same(failures, [], `${name}: ${calls} calls`)
      t.ok(calls > 10, name)
    }
    await nothingIsLeft(bed)
  })
}

test('compressed messages, grpc-js client, two proxies with mTLS', { timeout }, async (t) => {
  const bed = await startBed(t, await startCompressingServer())
  for (const { name, run } of COMPRESSION_CASES) await t.resolves(run(bed.pair.port), name)
  await nothingIsLeft(bed)
})

test('an answer of trailers only arrives as one head that ends its stream', { skip, timeout }, async (t) => {
  const bed = await startBed(t, await startGoServer(go as GoInterop))
  const session = await connectHttp2(bed.pair.port)
  t.teardown(() => session.destroy())
  const stream = session.request({
    ':method': 'POST',
    ':path': '/grpc.testing.TestService/NoSuchCall',
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  stream.end(Buffer.alloc(5))
  const [headers, flags] = await new Promise<[http2.IncomingHttpHeaders, number]>((resolve) =>
    stream.on('response', (headers, flags) => resolve([headers, flags])),
  )
  t.equal(headers['grpc-status'], '12')
  t.equal(flags & http2.constants.NGHTTP2_FLAG_END_STREAM, http2.constants.NGHTTP2_FLAG_END_STREAM)
})
