/**
 * The client of the mesh suite: runs inside a pod through `exec` and does what the test tells it, one JSON object per
 * line in, one per line out. It ends with its standard input.
 */
import process from 'node:process'
import { createInterface } from 'node:readline'
import { startCapture, stopCapture } from './calls/capture.ts'
import { curl } from './calls/curl.ts'
import { grpcCall, grpcCalls } from './calls/grpc.ts'
import { beginSlow, download, finishSlow, http, manyHttp, upload } from './calls/http.ts'
import { http2 } from './calls/http2.ts'
import { reportLoad, startLoad, stopLoad } from './calls/load.ts'
import { slowReaderHttp1, slowReaderHttp2 } from './calls/slow-reader.ts'
import { greeting, opaqueExchange, plainExchange, tlsExchange, webSocketEcho } from './calls/tcp.ts'
import { startVersions, stopVersions, versionsSeen } from './calls/versions.ts'

/** What a test may ask for. */
export const CALLS = {
  http,
  http2,
  curl,
  manyHttp,
  upload,
  download,
  beginSlow,
  finishSlow,
  slowReaderHttp1,
  slowReaderHttp2,
  grpcCall,
  grpcCalls,
  startLoad,
  reportLoad,
  stopLoad,
  greeting,
  opaqueExchange,
  plainExchange,
  tlsExchange,
  webSocketEcho,
  startCapture,
  stopCapture,
  startVersions,
  versionsSeen,
  stopVersions,
} as const
export type CallName = keyof typeof CALLS

export interface CallMessage {
  readonly id: number
  readonly call: CallName
  readonly argument: unknown
}

export type ReplyMessage =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string }

const reply = (message: ReplyMessage) => process.stdout.write(`${JSON.stringify(message)}\n`)

if (import.meta.main) {
  const lines = createInterface({ input: process.stdin })
  lines.on('line', (line) => {
    const { id, call, argument } = JSON.parse(line) as CallMessage
    const run = CALLS[call] as (argument: unknown) => unknown
    Promise.resolve()
      .then(() => run(argument))
      .then(
        (value) => reply({ id, value: value ?? null }),
        (error: Error) => reply({ id, error: error.stack ?? error.message }),
      )
  })
  lines.on('close', () => process.exit(0))
}
