/** The interop cases about compression, for `@grpc/grpc-js` against `compressing-server.ts`. */
import assert from 'node:assert/strict'
import * as grpc from '@grpc/grpc-js'
import { bytesOf, input } from './js-cases.ts'
import { connectJs, readAll, statusOf, unary } from './js-client.ts'
import { LARGE_REQUEST_BYTES, LARGE_RESPONSE_BYTES, payload, RESPONSE_SIZES } from './test-service.ts'

const GZIP = { 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip }
/** Of grpc-js: this message stays as it is. Node passes it on as the "encoding" of an object. */
const NO_COMPRESS = 2 as unknown as BufferEncoding
const { INVALID_ARGUMENT } = grpc.status

export interface CompressionCase {
  readonly name: string
  run(port: number): Promise<void>
}

const LARGE = { responseSize: LARGE_RESPONSE_BYTES, payload: payload(LARGE_REQUEST_BYTES) }

export const COMPRESSION_CASES: readonly CompressionCase[] = [
  {
    name: 'client_compressed_unary',
    async run(port) {
      const [plain, gzip] = [connectJs(port), connectJs(port, GZIP)]
      try {
        const claimed = unary(plain, 'UnaryCall', { ...LARGE, expectCompressed: { value: true } })
        assert.equal((await statusOf(claimed)).code, INVALID_ARGUMENT, 'the server sees what is not compressed')
        for (const [client, value] of [
          [gzip, true],
          [plain, false],
        ] as const) {
          const answer = await unary(client, 'UnaryCall', { ...LARGE, expectCompressed: { value } })
          assert.equal(bytesOf(answer.value), LARGE_RESPONSE_BYTES)
        }
      } finally {
        plain.close()
        gzip.close()
      }
    },
  },
  {
    name: 'client_compressed_streaming',
    async run(port) {
      const [plain, gzip] = [connectJs(port), connectJs(port, GZIP)]
      try {
        const claimed = input(plain)
        claimed.call.end({ payload: payload(27_182), expectCompressed: { value: true } })
        assert.equal((await statusOf(claimed.answer)).code, INVALID_ARGUMENT, 'the server sees what is not compressed')
        const { call, answer } = input(gzip)
        call.write({ payload: payload(27_182), expectCompressed: { value: true } })
        call.write({ payload: payload(45_904), expectCompressed: { value: false } }, NO_COMPRESS)
        call.end()
        assert.equal((await answer).aggregatedPayloadSize, 73_086)
      } finally {
        plain.close()
        gzip.close()
      }
    },
  },
  {
    name: 'server_compressed_unary',
    async run(port) {
      const client = connectJs(port)
      try {
        for (const value of [true, false]) {
          const answer = await unary(client, 'UnaryCall', { ...LARGE, responseCompressed: { value } })
          assert.equal(bytesOf(answer.value), LARGE_RESPONSE_BYTES)
        }
      } finally {
        client.close()
      }
    },
  },
  {
    name: 'server_compressed_streaming',
    async run(port) {
      const client = connectJs(port)
      try {
        const responseParameters = RESPONSE_SIZES.map((size, i) => ({ size, compressed: { value: i % 2 === 0 } }))
        const call = client.StreamingOutputCall({ responseParameters }, new grpc.Metadata(), {})
        assert.deepEqual((await readAll(call)).map(bytesOf), RESPONSE_SIZES)
      } finally {
        client.close()
      }
    },
  },
]
