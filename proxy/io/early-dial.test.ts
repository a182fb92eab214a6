import { test } from 'tap'
import type { Transport, TransportHandler } from '../http/transport.ts'
import { WAITS_FOR_MS } from '../policy/first-speakers.ts'
import { type EarlyDial, type EarlyDialOutcome, EarlyDials, type OpenRaw, QUIET_SERVER_MS } from './early-dial.ts'
import { FakeTimers } from './timers.ts'

const SILENCE_MS = 100

/** A client that is looked at. */
class Client {
  isOver = false
  bytes = 0
  stop(): void {
    this.isOver = true
  }
}

/** The server's end of one dial. */
class Server {
  isCancelled = false
  isDestroyed = false
  isPaused = false
  readonly #onOpen: (upstream: Transport, greeting: Buffer | undefined) => void
  readonly fail: (error: string) => void
  readonly transport = {
    handler: undefined as unknown as TransportHandler,
    pause: () => {
      this.isPaused = true
    },
    destroy: () => {
      this.isDestroyed = true
    },
  }

  constructor(onOpen: (upstream: Transport, greeting: Buffer | undefined) => void, fail: (error: string) => void) {
    this.#onOpen = onOpen
    this.fail = fail
  }

  accept(): this {
    this.#onOpen(this.transport as unknown as Transport, undefined)
    return this
  }

  say(text: string): void {
    const bytes = Buffer.from(`..${text}..`)
    this.transport.handler.onBytes(bytes, 2, bytes.length - 2)
    // Its buffer is somebody else's now.
    bytes.fill(0)
  }

  close(): void {
    this.transport.handler.onEnd()
  }
}

/** Early dials over a clock that is moved by hand. */
class Bed {
  readonly timers = new FakeTimers(0)
  readonly outcomes: EarlyDialOutcome[] = []
  readonly servers: Server[] = []
  readonly dials: EarlyDials<string>
  readonly open: OpenRaw<string> = (onOpen, onFailed) => {
    const server = new Server(onOpen, onFailed)
    this.servers.push(server)
    return {
      cancel() {
        server.isCancelled = true
      },
    }
  }

  constructor(maxAtOnce = 10, silenceMs = SILENCE_MS) {
    this.dials = new EarlyDials({ silenceMs, maxAtOnce }, this.timers, (outcome) => this.outcomes.push(outcome))
  }

  accept(holdMs = 0, server = 'db'): Accepted {
    return new Accepted(this.dials.begin(server, this.open), holdMs)
  }
}

class Accepted {
  readonly client = new Client()
  readonly early: EarlyDial<string> | undefined
  isServerFirst = false

  constructor(early: EarlyDial<string> | undefined, holdMs: number) {
    this.early = early
    this.look(holdMs)
  }

  look(holdMs = 0, client = this.client): void {
    this.early?.watch(client, holdMs, () => {
      this.isServerFirst = true
    })
  }

  /** What the connection brings when it is taken. */
  take(): string {
    let got = 'nothing'
    this.early!.take(
      (_upstream, greeting) => {
        got = `open ${greeting ?? ''}`.trim()
      },
      (error) => {
        got = error
      },
    )
    return got
  }
}

/** The proxy has seen this server greet. */
function greeted(bed: Bed): void {
  const accepted = bed.accept()
  bed.timers.advance(SILENCE_MS)
  bed.servers[0]!.accept().say('220')
  accepted.client.stop()
  accepted.take()
}

test('a server that speaks first', async (t) => {
  const bed = new Bed()
  const first = bed.accept()
  bed.timers.advance(SILENCE_MS - 1)
  t.equal(bed.servers.length, 0, 'a client may take a moment')
  bed.timers.advance(1)
  t.equal(bed.servers.length, 1, 'but no longer')
  bed.servers[0]!.accept()
  t.notOk(first.isServerFirst)
  bed.servers[0]!.say('220 hello')
  t.ok(first.isServerFirst)
  t.ok(bed.servers[0]!.isPaused, 'nothing else is read before somebody takes it')
  first.client.stop()
  t.equal(first.take(), 'open 220 hello')
  t.same(bed.outcomes, ['server_first'])
  t.equal(bed.dials.size, 0)
  first.early!.drop()
  t.notOk(bed.servers[0]!.isDestroyed, 'what was taken is somebody else’s')

  const second = bed.accept()
  t.equal(bed.servers.length, 2, 'the next time it is dialled at once')
  bed.servers[1]!.accept().say('220')
  t.ok(second.isServerFirst)
  bed.accept(0, 'web')
  t.equal(bed.servers.length, 2, 'another one is not')
})

test('a client that speaks', async (t) => {
  t.test('before its silence is over: nothing is dialled', async (t) => {
    const bed = new Bed()
    const accepted = bed.accept()
    accepted.client.bytes = 1
    bed.timers.advance(10 * SILENCE_MS)
    t.equal(bed.servers.length, 0)
    accepted.early!.drop()
    t.same(bed.outcomes, [], 'nothing to count')
  })

  t.test('HTTP after all: the early connection closes', async (t) => {
    const bed = new Bed()
    const [dialling, open] = [bed.accept(), bed.accept()]
    bed.timers.advance(SILENCE_MS)
    bed.servers[1]!.accept()
    dialling.early!.drop()
    open.early!.drop()
    t.ok(bed.servers[0]!.isCancelled)
    t.ok(bed.servers[1]!.isDestroyed)
    t.same(bed.outcomes, ['unused', 'unused'])
    t.equal(bed.dials.size, 0)
  })

  t.test('something else after all: the early connection is used, also one that is not open yet', async (t) => {
    const bed = new Bed()
    const [dialling, open] = [bed.accept(), bed.accept()]
    bed.timers.advance(SILENCE_MS)
    bed.servers[1]!.accept()
    t.equal(open.take(), 'open')
    let got = ''
    const taken = dialling.early!.take(
      () => {
        got = 'open'
      },
      () => {},
    )
    bed.servers[0]!.accept()
    t.equal(got, 'open')
    taken.cancel()
    t.same(bed.outcomes, ['used', 'used'])
  })

  t.test('in pieces, while the server greets: detection decides, and the greeting waits', async (t) => {
    const bed = new Bed()
    const accepted = bed.accept()
    bed.timers.advance(SILENCE_MS)
    accepted.client.bytes = 2
    bed.servers[0]!.accept().say('220')
    t.notOk(accepted.isServerFirst)
    accepted.client.stop()
    t.equal(accepted.take(), 'open 220')
    t.same(bed.outcomes, ['used'])
  })

  t.test('TLS of the mesh: the greeting goes to what is inside', async (t) => {
    const bed = new Bed()
    const accepted = bed.accept()
    bed.timers.advance(SILENCE_MS)
    accepted.client.bytes = 500
    accepted.client.stop()
    bed.servers[0]!.accept().say('220')
    t.notOk(accepted.isServerFirst)
    accepted.look(0, new Client())
    t.ok(accepted.isServerFirst)
  })
})

test('a greeting waits for what the client may have sent', async (t) => {
  const bed = new Bed()
  greeted(bed)
  const silent = bed.accept(50)
  const late = bed.accept(50)
  for (const server of bed.servers.slice(1)) server.accept().say('220')
  bed.timers.advance(40)
  late.client.bytes = 1
  t.notOk(silent.isServerFirst)
  bed.timers.advance(10)
  t.ok(silent.isServerFirst)
  t.notOk(late.isServerFirst)
})

test('a server that does not speak first', async (t) => {
  t.test('is not dialled ahead of its clients any more', async (t) => {
    const bed = new Bed()
    bed.accept()
    bed.timers.advance(SILENCE_MS)
    bed.servers[0]!.accept()
    bed.timers.advance(QUIET_SERVER_MS)
    t.equal(bed.accept().early, undefined)
    bed.timers.advance(WAITS_FOR_MS)
    t.not(bed.accept().early, undefined, 'for a while')
  })

  t.test('but what it says later still counts', async (t) => {
    const bed = new Bed()
    const accepted = bed.accept()
    bed.timers.advance(SILENCE_MS)
    bed.servers[0]!.accept()
    bed.timers.advance(5 * QUIET_SERVER_MS)
    bed.servers[0]!.say('220 slow')
    t.ok(accepted.isServerFirst)
    bed.accept()
    t.equal(bed.servers.length, 2)
  })

  for (const [name, greeting] of [
    ['a timeout', 'HTTP/1.1 408 Request Timeout\r\n\r\n'],
    ['an HTTP/2 preface', '\0\0\0\x04\0\0\0\0\0'],
  ] as const) {
    t.test(`says ${name}: HTTP is left to detection`, async (t) => {
      const bed = new Bed()
      const accepted = bed.accept()
      bed.timers.advance(SILENCE_MS)
      bed.servers[0]!.accept().say(greeting)
      t.notOk(accepted.isServerFirst)
      t.notOk(accepted.early!.isUsable)
      t.ok(bed.servers[0]!.isDestroyed)
      t.same(bed.outcomes, ['http_server'])
      t.equal(bed.accept().early, undefined, 'nor is it dialled early again')
    })
  }

  t.test('cannot be reached twice, or closes: detection goes on', async (t) => {
    const bed = new Bed()
    const [refused, closed] = [bed.accept(), bed.accept()]
    bed.timers.advance(SILENCE_MS)
    bed.servers[0]!.fail('timeout')
    bed.servers[1]!.accept().close()
    t.notOk(refused.early!.isUsable)
    t.equal(bed.dials.size, 0)
    bed.timers.advance(SILENCE_MS)
    t.equal(bed.servers.length, 3, 'who could not be reached is tried again, once')
    bed.servers[2]!.fail('timeout')
    t.notOk(refused.early!.isUsable)
    t.notOk(closed.early!.isUsable)
    t.same(bed.outcomes, ['failed', 'failed', 'failed'])
    refused.look()
    closed.look()
    bed.timers.advance(10 * SILENCE_MS)
    t.equal(bed.servers.length, 3)
  })
})

test('early dials at once are bounded', async (t) => {
  const bed = new Bed(2)
  const connections = [bed.accept(), bed.accept(), bed.accept()]
  bed.timers.advance(SILENCE_MS)
  t.equal(bed.servers.length, 2)
  t.same(bed.outcomes, ['limited'], 'the third waits for detection')
  t.notOk(connections[2]!.early!.isUsable)
  for (const server of bed.servers) server.accept()

  const fourth = bed.accept(0, 'mail')
  bed.timers.advance(QUIET_SERVER_MS)
  t.same(bed.outcomes, ['limited', 'limited'])
  t.notOk(fourth.early!.isUsable)
  const fifth = bed.accept(0, 'mail')
  bed.timers.advance(SILENCE_MS)
  t.same(bed.outcomes, ['limited', 'limited', 'displaced'], 'the oldest one, whose server is silent, gives way')
  t.ok(bed.servers[0]!.isDestroyed)
  t.ok(fifth.early!.isUsable)
  t.equal(bed.dials.size, 2)
})

test('a silence of 0 never dials early', async (t) => {
  t.equal(new Bed(10, 0).accept().early, undefined)
})
