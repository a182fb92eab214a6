import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Pkcs10CertificateRequest } from '@peculiar/x509'
import { type Test, test } from 'tap'
import { TestAuthority } from '../io/test-authority.ts'
import { FakeTimers } from '../io/timers.ts'
import { Certifier, type CertifierOptions, type Certify, type CertifyRequest } from './certifier.ts'

const WEB = 'web.shop.serviceaccount.identity.linkerd.cluster.local'
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

const root = await TestAuthority.root()
const issuer = await root.intermediate()
const stranger = await TestAuthority.root('stranger.test')

interface Controller {
  lifetimeMs: number
  fail: Error | undefined
  /** Changes an answer before it is sent. */
  distort: (answer: Awaited<ReturnType<Certify>>, key: CryptoKey) => Promise<Awaited<ReturnType<Certify>>>
  readonly requests: CertifyRequest[]
}

function setUp(t: Test, overrides: Partial<CertifierOptions> = {}) {
  const timers = new FakeTimers(Date.now())
  const tokenFile = join(t.testdir({ token: 'first token' }), 'token')
  const controller: Controller = {
    lifetimeMs: DAY_MS,
    fail: undefined,
    distort: async (answer) => answer,
    requests: [],
  }
  const logs: string[] = []
  const certify: Certify = async (makeRequest) => {
    const request = await makeRequest()
    controller.requests.push(request)
    if (controller.fail !== undefined) throw controller.fail
    const key = await publicKeyOf(request)
    const notAfterMs = timers.wallMs() + controller.lifetimeMs
    const [leaf, ...intermediates] = (
      await issuer.issue(WEB, { publicKey: key, notAfterMs, notBeforeMs: timers.wallMs() - 20_000 })
    ).der
    return controller.distort(
      { leafCertificate: leaf!, intermediateCertificates: intermediates, validUntilMs: notAfterMs },
      key,
    )
  }
  const certifier = new Certifier({
    localName: WEB,
    trustAnchorsPem: stranger.pem + root.pem,
    tokenFile,
    certify,
    timers,
    random: () => 0,
    log: (_level, message) => logs.push(message),
    ...overrides,
  })
  t.teardown(() => certifier.close())
  return { timers, tokenFile, controller, logs, certifier }
}

async function publicKeyOf(request: CertifyRequest): Promise<CryptoKey> {
  const csr = new Pkcs10CertificateRequest(Buffer.from(request.certificateSigningRequest))
  return csr.publicKey.export(webcrypto as unknown as Crypto)
}

/** Lets an attempt that a timer began come to its end. */
async function settled(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2_000 && !condition(); turn++) await new Promise((resolve) => setTimeout(resolve, 1))
}

test('the first certificate', async (t) => {
  const { certifier, controller, logs, timers } = setUp(t)
  const contexts: unknown[] = []
  certifier.onContext((context) => contexts.push(context))
  t.equal(certifier.context, undefined)
  await certifier.start()
  t.equal(contexts.length, 1)
  t.equal(certifier.context, contexts[0])
  certifier.onContext((context) => contexts.push(context))
  t.equal(contexts.length, 2, 'a later listener hears at once')
  let withTickets: (() => unknown) | undefined
  certifier.onContext((_context, make) => {
    withTickets = make
  })
  t.not(withTickets!(), contexts[0], 'a server that gives tickets has a context of its own')
  t.equal(controller.requests[0]!.identity, WEB)
  t.equal(Buffer.from(controller.requests[0]!.token).toString(), 'first token')
  t.match(certifier.metrics, { okCount: 1, errorCount: 0, refreshedAtMs: timers.wallMs() })
  t.ok(Math.abs(certifier.metrics.expiresAtMs - timers.wallMs() - DAY_MS) <= 1_000, 'certificates know whole seconds')
  t.notMatch(logs.join('\n'), /first token|PRIVATE/)
})

test('renewal: when, with which token, with the same key', async (t) => {
  const { certifier, controller, timers, tokenFile } = setUp(t)
  let renewals = 0
  certifier.onContext(() => renewals++)
  await certifier.start()
  t.ok(Math.abs(timers.delaysMs[0]! - 0.7 * DAY_MS) < 2_000, 'at 70 % of the lifetime')
  writeFileSync(tokenFile, 'second token')
  timers.advance(0.7 * DAY_MS)
  await settled(() => renewals === 2)
  t.equal(Buffer.from(controller.requests[1]!.token).toString(), 'second token')
  t.same(controller.requests[1]!.certificateSigningRequest, controller.requests[0]!.certificateSigningRequest)
  t.equal(certifier.metrics.okCount, 2)
})

test('the time until renewal is clamped', async (t) => {
  const cases = [
    { name: '70 % of five seconds is below the minimum', lifetimeMs: 5_000, delayMs: 10_000 },
    { name: '70 % of a week is above the maximum', lifetimeMs: 7 * DAY_MS, delayMs: DAY_MS },
    { name: 'a minimum of one second', lifetimeMs: 5_000, minRefreshMs: 1_000, delayMs: 3_500 },
    { name: 'a maximum of one hour', lifetimeMs: DAY_MS, maxRefreshMs: HOUR_MS, delayMs: HOUR_MS },
  ]
  for (const { name, lifetimeMs, minRefreshMs, maxRefreshMs, delayMs } of cases) {
    const { certifier, controller, timers } = setUp(t, { minRefreshMs, maxRefreshMs })
    controller.lifetimeMs = lifetimeMs
    await certifier.start()
    t.ok(Math.abs(timers.delaysMs[0]! - delayMs) <= 1_000, `${name}: ${timers.delaysMs[0]} ms`)
  }
})

test('after a failure', async (t) => {
  const { certifier, controller, timers, logs } = setUp(t)
  controller.fail = new Error('127.0.0.1:8080: connection refused')
  await certifier.start()
  t.same(timers.delaysMs, [100], 'without a certificate soon again')
  for (const delayMs of [200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]) {
    const { errorCount } = certifier.metrics
    timers.advance(timers.delaysMs[0]!)
    await settled(() => certifier.metrics.errorCount > errorCount)
    t.same(timers.delaysMs, [delayMs], 'then up to every 10 s')
  }
  t.match(logs[0], /no certificate for web\.shop.*connection refused; there is no certificate yet/)

  controller.fail = undefined
  timers.advance(10_000)
  await settled(() => certifier.context !== undefined)
  const { context } = certifier
  controller.fail = new Error('UNAVAILABLE')
  timers.advance(timers.delaysMs[0]!)
  await settled(() => logs.at(-1)!.includes('UNAVAILABLE'))
  t.equal(certifier.context, context, 'the certificate in use stays')
  t.ok(Math.abs(timers.delaysMs[0]! - 0.7 * 0.3 * DAY_MS) < 2_000, 'again at 70 % of what remains')
  t.match(logs.at(-1), /the certificate in use is valid until/)
})

test('an answer that is not right is a failure', async (t) => {
  const otherKey = (await issuer.issue(WEB)).der
  const cases: { name: string; distort: Controller['distort']; error: RegExp }[] = [
    {
      name: 'no expiry',
      distort: async (answer) => ({ ...answer, validUntilMs: undefined }),
      error: /does not say until when/,
    },
    {
      name: 'expired by its own word',
      distort: async (answer) => ({ ...answer, validUntilMs: Date.now() - 60_000 }),
      error: /expired at .*compare the clocks/,
    },
    {
      name: 'an expired leaf',
      distort: async (answer, publicKey) => ({
        ...answer,
        leafCertificate: (await issuer.issue(WEB, { publicKey, notBeforeMs: 0, notAfterMs: Date.now() - 5_000 }))
          .der[0]!,
      }),
      error: /expired at/,
    },
    {
      name: 'a leaf of tomorrow',
      distort: async (answer, publicKey) => ({
        ...answer,
        leafCertificate: (
          await issuer.issue(WEB, { publicKey, notBeforeMs: Date.now() + HOUR_MS, notAfterMs: Date.now() + DAY_MS })
        ).der[0]!,
      }),
      error: /valid only from/,
    },
    {
      name: 'another identity',
      distort: async (answer, publicKey) => ({
        ...answer,
        leafCertificate: (await issuer.issue('cart', { publicKey })).der[0]!,
      }),
      error: /is for cart, not for web\.shop/,
    },
    {
      name: 'no identity',
      distort: async (answer, publicKey) => ({
        ...answer,
        leafCertificate: (await issuer.issue(WEB, { publicKey, names: [] })).der[0]!,
      }),
      error: /is for nobody/,
    },
    {
      name: 'another key',
      distort: async (answer) => ({ ...answer, leafCertificate: otherKey[0]! }),
      error: /another key/,
    },
    {
      name: 'another root',
      distort: async (_answer, publicKey) => ({
        leafCertificate: (await (await TestAuthority.root('root.test')).issue(WEB, { publicKey })).der[0]!,
        intermediateCertificates: [],
        validUntilMs: Date.now() + DAY_MS,
      }),
      error: /does not end at a trust anchor/,
    },
    {
      name: 'no intermediate',
      distort: async (answer) => ({ ...answer, intermediateCertificates: [] }),
      error: /does not end at a trust anchor \(CN=issuer\.test/,
    },
    {
      name: 'no certificate',
      distort: async (answer) => ({ ...answer, leafCertificate: Buffer.from('nonsense') }),
      error: /the certificate in the answer does not parse/,
    },
    {
      name: 'a broken intermediate',
      distort: async (answer) => ({ ...answer, intermediateCertificates: [Buffer.alloc(3)] }),
      error: /intermediate certificate 1 in the answer does not parse/,
    },
    {
      name: 'too many intermediates',
      distort: async (answer) => ({ ...answer, intermediateCertificates: Array(11).fill(root.der) }),
      error: /more than 9/,
    },
  ]
  for (const { name, distort, error } of cases) {
    const { certifier, controller, logs } = setUp(t)
    controller.distort = distort
    await certifier.start()
    t.equal(certifier.context, undefined, name)
    t.match(logs[0], error, name)
    t.equal(certifier.metrics.errorCount, 1, name)
  }
})

test('the token file', async (t) => {
  const cases = [
    {
      name: 'missing',
      tokenFile: '/nowhere/token',
      error: /cannot read the token \/nowhere\/token \(ENOENT\); is the projected volume mounted/,
    },
    { name: 'empty', tokenFile: '/dev/null', error: /is empty/ },
    { name: 'absurdly large', tokenFile: process.execPath, error: /more than 65536 bytes/ },
  ]
  for (const { name, tokenFile, error } of cases) {
    const { certifier, controller, logs } = setUp(t, { tokenFile })
    await certifier.start()
    t.match(logs[0], error, name)
    t.equal(controller.requests.length, 0, name)
  }
})

test('wrong trust anchors are refused at the start', async (t) => {
  t.throws(() => setUp(t, { trustAnchorsPem: '' }), /contain no PEM certificate/)
  const broken = root.pem.replace(/\n.{20}/, '\nAAAAAAAAAAAAAAAAAAAA')
  t.throws(() => setUp(t, { trustAnchorsPem: root.pem + broken }), /trust anchor 2 of 2 does not parse/)
})

test('after close nothing follows', async (t) => {
  const { certifier, timers } = setUp(t)
  const started = certifier.start()
  certifier.close()
  await started
  t.equal(certifier.context, undefined)
  t.same(timers.delaysMs, [])
})

test('the source never writes a key', async (t) => {
  for (const file of ['certifier.ts', 'csr.ts', 'certificate.ts'])
    t.notMatch(readFileSync(new URL(file, import.meta.url), 'utf8'), /writeFile|createWriteStream/)
})
