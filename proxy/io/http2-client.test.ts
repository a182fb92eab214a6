import { test } from 'tap'
import { DEFAULT_HTTP2 } from '../http/http2-config.ts'
import { MemoryTransport } from '../http/memory-transport.ts'
import { goaway, headers, settings, settingsAck } from '../http/test-frames.ts'
import { Backoff } from '../policy/backoff.ts'
import { Setting } from '../wire/frame.ts'
import { Head } from '../wire/head.ts'
import type { ConnectError, Connector } from './connector.ts'
import { Http2Client } from './http2-client.ts'

/** An endpoint that a test plays: each attempt to connect waits for its answer. */
class TestEndpoint implements Connector {
  readonly attempts: { open(): MemoryTransport; fail(): void }[] = []
  heard: string[] = []
  readonly client = new Http2Client(this, DEFAULT_HTTP2, new Backoff({ minMs: 20, maxMs: 1_000, jitter: 0 }, () => 0), {
    onReady: () => void this.heard.push('ready'),
    onUnready: ({ message }) => void this.heard.push(message),
  })

  connect(
    _session: string,
    onConnected: (transport: MemoryTransport) => void,
    onFailed: (error: ConnectError) => void,
  ) {
    this.attempts.push({
      open() {
        const transport = new MemoryTransport()
        onConnected(transport)
        return transport
      },
      fail: () => onFailed({ kind: 'io', message: 'connection refused' }),
    })
    return { cancel() {} }
  }

  /** Opens the latest attempt; its SETTINGS allow `maxStreams`. */
  serve(maxStreams: number): MemoryTransport {
    const transport = this.attempts.at(-1)!.open()
    receive(transport, settings([[Setting.maxConcurrentStreams, maxStreams]]), settingsAck)
    return transport
  }

  request(): boolean {
    const stream = this.client.open()
    const head = new Head()
    head.add(':method', 'GET')
    stream?.sendHead(head, true)
    return stream !== undefined
  }
}

function receive(transport: MemoryTransport, ...frames: Buffer[]): void {
  for (const bytes of frames) transport.handler.onBytes(bytes, 0, bytes.length)
}

const answer = (id: number): Buffer => headers(id, [[':status', '204']])
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

test('one connection to an endpoint, kept open', async (t) => {
  const endpoint = new TestEndpoint()
  endpoint.client.start()
  endpoint.client.start()
  t.equal(endpoint.attempts.length, 1)
  const first = endpoint.serve(100)
  t.equal(endpoint.request(), true)
  receive(first, answer(1))

  endpoint.request()
  receive(first, goaway(3, 0))
  t.equal(endpoint.attempts.length, 2, 'a fresh one is made while the old one finishes')
  endpoint.serve(100)
  endpoint.request()
  t.equal(endpoint.client.streamCount, 2, 'streams of both count')
  receive(first, answer(3))
  t.equal(first.isEnded, true)
  endpoint.client.close()
})

test('one more connection while the limit of streams holds requests back', async (t) => {
  const endpoint = new TestEndpoint()
  endpoint.client.start()
  const first = endpoint.serve(1)
  endpoint.request()
  t.equal(endpoint.request(), false)
  t.equal(endpoint.attempts.length, 2)
  endpoint.heard = []
  endpoint.attempts[1]!.fail()
  t.same(endpoint.heard, [], 'that it cannot be made is no failure of those who wait for the first')
  receive(first, answer(1))
  t.same(endpoint.heard, ['ready'])
  t.equal(endpoint.request(), true)
  endpoint.client.close()
})

test('an endpoint that only accepts and closes is asked again with back-off', async (t) => {
  const endpoint = new TestEndpoint()
  endpoint.client.start()
  for (const times of [1, 2, 3]) {
    const transport = endpoint.serve(100)
    transport.handler.onEnd()
    t.equal(endpoint.attempts.length, times, 'not at once')
    while (endpoint.attempts.length === times) await pause(5)
  }
  endpoint.client.close()
})

test('one that has served is asked again at once', async (t) => {
  const endpoint = new TestEndpoint()
  endpoint.client.start()
  const transport = endpoint.serve(100)
  endpoint.request()
  receive(transport, answer(1))
  transport.handler.onEnd()
  t.equal(endpoint.attempts.length, 2)
  endpoint.client.close()
})
