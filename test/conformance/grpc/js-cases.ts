/**
 * The interop cases for `@grpc/grpc-js`, and some more of what a proxy could break: a deadline in the middle of a stream,
 * large metadata, half-duplex. Each is a function that throws where something is not as it must be.
 *
 * What they do follows the public descriptions (github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md).
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import * as grpc from '@grpc/grpc-js'
import { connectJs, type DuplexCall, readAll, statusOf, type TestClient, unary } from './js-client.ts'
import {
  ECHO_INITIAL,
  ECHO_TRAILING,
  type InputResponse,
  LARGE_REQUEST_BYTES,
  LARGE_RESPONSE_BYTES,
  type OutputResponse,
  payload,
  REQUEST_SIZES,
  RESPONSE_SIZES,
  UnimplementedService,
} from './test-service.ts'

const { CANCELLED, DEADLINE_EXCEEDED, UNIMPLEMENTED, UNKNOWN } = grpc.status
const DAY_MS = 86_400_000

export interface JsCase {
  readonly name: string
  /** Servers that implement it. */
  readonly servers: readonly ('go' | 'js')[]
  run(client: TestClient, port: number): Promise<void>
}

const BOTH = ['go', 'js'] as const

export const JS_CASES: readonly JsCase[] = [
  {
    name: 'empty_unary',
    servers: BOTH,
    run: async (client) => assert.deepEqual({ ...(await unary(client, 'EmptyCall', {})).value }, {}),
  },
  {
    // The method may be cached, but nothing on the way does so: the answer is the server's.
    name: 'cacheable_unary',
    servers: ['js'],
    async run(client) {
      const metadata = metadataOf('x-user-ip', '1.2.3.4')
      for (let count = 0; count < 2; count++) {
        const { value } = await unary(client, 'CacheableUnaryCall', { responseSize: 10 }, { metadata })
        assert.equal(bytesOf(value), 10)
      }
    },
  },
  { name: 'large_unary', servers: BOTH, run: largeUnary },
  {
    name: 'client_streaming',
    servers: BOTH,
    async run(client) {
      const { call, answer } = input(client)
      for (const size of REQUEST_SIZES) call.write({ payload: payload(size) })
      call.end()
      assert.equal((await answer).aggregatedPayloadSize, sum(REQUEST_SIZES))
    },
  },
  {
    name: 'server_streaming',
    servers: BOTH,
    async run(client) {
      const responseParameters = RESPONSE_SIZES.map((size) => ({ size }))
      const call = client.StreamingOutputCall({ responseParameters }, new grpc.Metadata(), {})
      assert.deepEqual((await readAll(call)).map(bytesOf), RESPONSE_SIZES)
    },
  },
  {
    name: 'ping_pong',
    servers: BOTH,
    async run(client) {
      const talk = new Talk(client.FullDuplexCall(new grpc.Metadata(), {}))
      for (const [i, size] of RESPONSE_SIZES.entries()) assert.equal(await talk.ask(REQUEST_SIZES[i]!, size), size)
      await talk.end()
    },
  },
  {
    name: 'empty_stream',
    servers: BOTH,
    async run(client) {
      const call = client.FullDuplexCall(new grpc.Metadata(), {})
      call.end()
      assert.deepEqual(await readAll(call), [])
    },
  },
  {
    name: 'half_duplex',
    servers: ['go'],
    async run(client) {
      const call = client.HalfDuplexCall(new grpc.Metadata(), {})
      for (const size of RESPONSE_SIZES) call.write({ responseParameters: [{ size }], payload: payload(10) })
      call.end()
      assert.deepEqual((await readAll(call)).map(bytesOf), RESPONSE_SIZES)
    },
  },
  {
    name: 'timeout_on_sleeping_server',
    servers: BOTH,
    async run(client) {
      const call = client.FullDuplexCall(new grpc.Metadata(), { deadline: Date.now() + 1 })
      call.on('error', () => {})
      call.write({ payload: payload(27_182) })
      assert.equal((await statusOf(readAll(call))).code, DEADLINE_EXCEEDED)
    },
  },
  {
    name: 'deadline_in_a_stream',
    servers: BOTH,
    async run(client) {
      const responseParameters = [{ size: 100 }, { size: 100, intervalUs: 120_000_000 }]
      // A deadline counts from the start of the call: on a busy machine even the first message may need a later one.
      for (let deadlineMs = 500; deadlineMs < 60_000; deadlineMs *= 2) {
        const options = { deadline: Date.now() + deadlineMs }
        const call = client.StreamingOutputCall({ responseParameters }, new grpc.Metadata(), options)
        const messages = call[Symbol.asyncIterator]()
        const first = messages.next()
        if ((await statusOf(first)).code === DEADLINE_EXCEEDED) continue
        assert.equal(bytesOf((await first).value), 100)
        assert.equal((await statusOf(messages.next())).code, DEADLINE_EXCEEDED)
        return
      }
      assert.fail('the first message of a stream took a minute')
    },
  },
  {
    name: 'deadline_far_away',
    servers: BOTH,
    run: async (client) => void (await unary(client, 'EmptyCall', {}, { deadline: Date.now() + DAY_MS })),
  },
  {
    name: 'cancel_after_begin',
    servers: BOTH,
    async run(client) {
      const metadata = metadataOf('key1', 'value1')
      metadata.set('key2', 'value2')
      // With the connection up the head leaves in the next turns of the event loop.
      await unary(client, 'EmptyCall', {})
      const { call, answer } = input(client, metadata)
      await sleep(20)
      call.cancel()
      assert.equal((await statusOf(answer)).code, CANCELLED)
    },
  },
  {
    name: 'cancel_after_first_response',
    servers: BOTH,
    async run(client) {
      const talk = new Talk(client.FullDuplexCall(new grpc.Metadata(), {}))
      assert.equal(await talk.ask(27_182, 31_415), 31_415)
      talk.call.cancel()
      assert.equal((await statusOf(talk.end())).code, CANCELLED)
    },
  },
  {
    name: 'status_code_and_message',
    servers: BOTH,
    async run(client) {
      const responseStatus = { code: UNKNOWN, message: 'test status message' }
      const expected = { code: UNKNOWN, details: responseStatus.message }
      assert.deepEqual(await statusOf(unary(client, 'UnaryCall', { responseStatus })), expected)
      const call = client.FullDuplexCall(new grpc.Metadata(), {})
      call.write({ responseStatus })
      call.end()
      assert.deepEqual(await statusOf(readAll(call)), expected)
    },
  },
  {
    name: 'special_status_message',
    servers: BOTH,
    async run(client) {
      const message = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n'
      const failing = unary(client, 'UnaryCall', { responseStatus: { code: UNKNOWN, message } })
      assert.deepEqual(await statusOf(failing), { code: UNKNOWN, details: message })
    },
  },
  {
    name: 'custom_metadata',
    servers: BOTH,
    run: (client) => echoMetadata(client, 'test_initial_metadata_value', Buffer.from('0a0b0a0b0a0b', 'hex')),
  },
  {
    // Frames of 16 KiB at most: the heads go on in CONTINUATION. 48 KB and their names are below the limit of 64 KiB.
    name: 'large_metadata',
    servers: BOTH,
    run: (client) => echoMetadata(client, 'v'.repeat(30_000), Buffer.alloc(12_000, 7)),
  },
  {
    name: 'unimplemented_method',
    servers: BOTH,
    run: async (client) => assert.equal((await statusOf(unary(client, 'UnimplementedCall', {}))).code, UNIMPLEMENTED),
  },
  {
    name: 'unimplemented_service',
    servers: BOTH,
    async run(_client, port) {
      const other = connectJs(port, {}, UnimplementedService)
      try {
        assert.equal((await statusOf(unary(other, 'UnimplementedCall', {}))).code, UNIMPLEMENTED)
      } finally {
        other.close()
      }
    },
  },
  {
    name: 'pick_first_unary',
    servers: ['js'],
    async run(client) {
      for (let count = 0; count < 100; count++) {
        const { value } = await unary(client, 'UnaryCall', { responseSize: 1, payload: payload(1), fillServerId: true })
        assert.equal(value.serverId, 'grpc-js')
      }
    },
  },
]

/** The call that soaks repeat. */
export async function largeUnary(client: TestClient): Promise<void> {
  const request = { responseSize: LARGE_RESPONSE_BYTES, payload: payload(LARGE_REQUEST_BYTES) }
  assert.equal(bytesOf((await unary(client, 'UnaryCall', request)).value), LARGE_RESPONSE_BYTES)
}

/** A unary call and a stream whose initial and trailing metadata come back as they were sent. */
async function echoMetadata(client: TestClient, initial: string, trailing: Buffer): Promise<void> {
  const metadata = metadataOf(ECHO_INITIAL, initial)
  metadata.set(ECHO_TRAILING, trailing)
  const answer = await unary(client, 'UnaryCall', { responseSize: 1, payload: payload(1) }, { metadata })
  assert.deepEqual(answer.initial.get(ECHO_INITIAL), [initial])
  assert.deepEqual(answer.trailing.get(ECHO_TRAILING), [trailing])

  const call = client.FullDuplexCall(metadata, {})
  const head = once(call, 'metadata') as Promise<[grpc.Metadata]>
  const status = once(call, 'status') as Promise<[grpc.StatusObject]>
  const talk = new Talk(call)
  assert.equal(await talk.ask(1, 1), 1)
  await talk.end()
  assert.deepEqual((await head)[0].get(ECHO_INITIAL), [initial])
  assert.deepEqual((await status)[0].metadata.get(ECHO_TRAILING), [trailing])
}

/** A stream on which both sides take turns. */
class Talk {
  readonly call: DuplexCall
  readonly #messages: AsyncIterator<OutputResponse>

  constructor(call: DuplexCall) {
    this.call = call
    this.#messages = call[Symbol.asyncIterator]()
  }

  /** Sends a message of `requestBytes` that asks for one of `responseBytes`; returns how many came. */
  async ask(requestBytes: number, responseBytes: number): Promise<number> {
    this.call.write({ responseParameters: [{ size: responseBytes }], payload: payload(requestBytes) })
    return bytesOf((await this.#messages.next()).value)
  }

  /** Says the last word and hears that nothing comes back any more. */
  async end(): Promise<void> {
    this.call.end()
    assert.equal((await this.#messages.next()).done, true)
  }
}

export function input(client: TestClient, metadata = new grpc.Metadata()) {
  const { promise, resolve, reject } = Promise.withResolvers<InputResponse>()
  const call = client.StreamingInputCall(metadata, {}, (error, value) =>
    error === null ? resolve(value) : reject(error),
  )
  return { call, answer: promise }
}

export function bytesOf({ payload }: { readonly payload?: { readonly body: Buffer } }): number {
  return payload?.body.length ?? 0
}

function metadataOf(name: string, value: string): grpc.Metadata {
  const metadata = new grpc.Metadata()
  metadata.set(name, value)
  return metadata
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
