import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { test } from 'tap'
import { GatedTlsServer, HandshakeGate, HandshakeLimit } from './handshake-gate.ts'
import { TestAuthority } from './test-authority.ts'
import { REAL_TIMERS } from './timers.ts'
import { MeshTlsServer, makeSecureContext } from './tls.ts'

const BOUNDS = { maxRunning: 2, crowdedMs: 1_000, maxWaiting: 2, maxWaitMs: 10_000 }

/** A gate whose clients are letters; what happens to them is told as text. */
class Gate {
  nowMs = 0
  readonly gate = new HandshakeGate(() => this.nowMs, BOUNDS)
  readonly #sockets = new Map<string, { destroy(): void }>()
  #heard: string[] = []

  enter(...names: string[]): this {
    for (const name of names) {
      const socket = {
        destroy: () => {
          this.#heard.push(`${name} cut`)
          this.gate.leave(socket)
        },
      }
      this.#sockets.set(name, socket)
      this.gate.enter(
        socket,
        () => void this.#heard.push(`${name} starts`),
        (error) => void this.#heard.push(`${name} refused${error instanceof HandshakeLimit ? '' : '?'}`),
      )
    }
    return this
  }

  leave(name: string): this {
    this.gate.leave(this.#sockets.get(name)!)
    return this
  }

  at(nowMs: number): this {
    this.nowMs = nowMs
    this.gate.tick()
    return this
  }

  heard(): string {
    const heard = this.#heard.join(', ')
    this.#heard = []
    return heard
  }
}

test('handshakes at once', async (t) => {
  const gate = new Gate()
  t.equal(gate.enter('a', 'b').heard(), 'a starts, b starts')
  t.equal(gate.enter('c', 'd').heard(), '', 'more wait')
  t.equal(gate.enter('e').heard(), 'e refused', 'but not for ever more')
  t.equal(gate.leave('b').heard(), 'c starts', 'in turn')
  t.equal(gate.at(999).heard(), '', 'an honest handshake is not hurried')
  t.equal(gate.at(1_000).heard(), 'a cut, d starts', 'one that takes too long goes while others wait')
  t.equal(gate.at(5_000).heard(), '', 'and may take its time while nobody does')
  t.equal(gate.enter('f').heard(), 'c cut, f starts', 'who comes later need not wait for the next tick')
  t.equal(gate.gate.runningCount, 2)
})

test('a rush of honest clients passes in turn, and nobody waits for ever', async (t) => {
  const gate = new Gate()
  gate.enter('a', 'b').heard()
  gate.nowMs = 500
  t.equal(gate.enter('c', 'd').heard(), '')
  t.equal(gate.leave('a').leave('b').heard(), 'c starts, d starts')

  const stuck = new Gate()
  stuck.enter('a', 'b', 'c').heard()
  // Sockets whose end is not heard: the gate itself does not depend on it.
  stuck.gate.leave = () => {}
  t.match(stuck.at(10_000).heard(), 'c refused')
})

test('a half-open handshake gives way to a whole one', async (t) => {
  const authority = await TestAuthority.root()
  const { keyPem, chainPem } = await authority.issue('web.test')
  const tls = new MeshTlsServer({ localName: 'web.test', withAlpn: false, timers: REAL_TIMERS })
  tls.setContext(makeSecureContext({ key: keyPem, chainPem, trustAnchorsPem: authority.pem }))
  let nowMs = 0
  const gate = new HandshakeGate(() => nowMs, { ...BOUNDS, maxRunning: 1 })
  const gated = new GatedTlsServer(tls, gate)
  const failures: string[] = []
  let accepted = 0
  const server = createServer((socket) => {
    accepted++
    gated.accept(
      socket,
      undefined,
      (secure) => secure.destroy(),
      (error) => void failures.push(error.message),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const dial = async () => {
    const before = accepted
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    while (accepted === before) await new Promise((resolve) => setTimeout(resolve, 2))
    return socket
  }
  const first = await dial()
  const second = await dial()
  t.equal(gate.runningCount, 1)
  nowMs = 1_000
  gate.tick()
  await once(first, 'close')
  // Its own end is told a turn later.
  while (failures.length === 0) await new Promise((resolve) => setTimeout(resolve, 2))
  t.match(failures, [/handshake/i])
  t.equal(gate.runningCount, 1, 'the second one has the place')
  second.destroy()
  server.close()
})
