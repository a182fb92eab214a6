/** Calls of the echo service on one channel, that is on one connection. */
import { Client, credentials, Metadata, type ServiceError, type StatusObject } from '@grpc/grpc-js'
import { ECHO, type EchoRequest, type EchoResponse } from '../grpc-echo.ts'
import { inParallel, Summary, type SummaryReport } from './summary.ts'

export interface GrpcCalls {
  /** `host:port`. */
  readonly target: string
  readonly method: keyof typeof ECHO
  readonly count: number
  readonly concurrency: number
  readonly request: EchoRequest
}

export interface GrpcOutcome {
  readonly code: number
  readonly details: string
  readonly pod: string | undefined
  /** Trailers. */
  readonly metadata: Readonly<Record<string, unknown>>
}

/** One unary call, and all that came of it. */
export function grpcCall({
  target,
  metadata = {},
  request = { text: 'hello' },
}: {
  readonly target: string
  readonly metadata?: Readonly<Record<string, string>>
  readonly request?: EchoRequest
}): Promise<GrpcOutcome> {
  const client = channel(target)
  const fields = new Metadata()
  for (const [name, value] of Object.entries(metadata)) fields.set(name, value)
  const { path, requestSerialize, responseDeserialize } = ECHO.unary
  return new Promise((resolve) => {
    let pod: string | undefined
    const call = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      fields,
      (_, response) => {
        pod = response?.pod
      },
    )
    call.on('status', ({ code, details, metadata }) => {
      client.close()
      // The callback comes right after the status.
      setImmediate(() => resolve({ code, details, pod, metadata: metadata.getMap() }))
    })
  })
}

export async function grpcCalls({ target, method, count, concurrency, request }: GrpcCalls): Promise<SummaryReport> {
  const client = channel(target)
  const summary = new Summary()
  await inParallel(count, concurrency, () => call(client, method, request, summary))
  client.close()
  return summary.report()
}

/** One unary call, and the fields of its answer: the leading ones and the trailers. @throws when it fails */
export function grpcFields(
  client: Client,
): Promise<{ readonly pod: string; readonly fields: ReadonlyMap<string, string> }> {
  const { path, requestSerialize, responseDeserialize } = ECHO.unary
  const fields = new Map<string, string>()
  const add = (metadata: Metadata) => {
    for (const [name, value] of Object.entries(metadata.getMap())) fields.set(name, String(value))
  }
  return new Promise((resolve, reject) => {
    let pod = ''
    const call = client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { text: 'x' }, (_, response) => {
      pod = response?.pod ?? ''
    })
    call.on('metadata', add)
    call.on('status', ({ code, details, metadata }) => {
      add(metadata)
      // The callback comes right after the status.
      setImmediate(() => (code === 0 ? resolve({ pod, fields }) : reject(new Error(`grpc-status ${code} ${details}`))))
    })
  })
}

export function channel(target: string): Client {
  // An own subchannel pool: two clients must not share a connection unnoticed.
  return new Client(target, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 })
}

/** One call; all messages of a stream must come from one pod and be complete. */
export async function call(
  client: Client,
  method: keyof typeof ECHO,
  request: EchoRequest,
  summary: Summary,
): Promise<void> {
  try {
    summary.success(await METHODS[method](client, request))
  } catch (error) {
    const { code, details, metadata } = error as ServiceError
    const reason = metadata?.get('l5d-proxy-error').join() ?? ''
    summary.failure(`${method}: grpc-status ${code} ${details ?? (error as Error).message} ${reason}`)
  }
}

/** Messages that a client stream sends. */
const MESSAGES = 3

const METHODS: Record<keyof typeof ECHO, (client: Client, request: EchoRequest) => Promise<string>> = {
  unary: (client, request) =>
    new Promise((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = ECHO.unary
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, response) => {
        if (error !== null) return reject(error)
        expect(response!.text === request.text, 'another text came back')
        resolve(response!.pod)
      })
    }),
  collect: (client, request) =>
    new Promise((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = ECHO.collect
      const stream = client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, (error, response) => {
        if (error !== null) return reject(error)
        if (response!.received !== MESSAGES) return reject(new Error(`${response!.received} messages arrived`))
        resolve(response!.pod)
      })
      for (let sent = 0; sent < MESSAGES; sent++) stream.write(request)
      stream.end()
    }),
  repeat: (client, request) =>
    new Promise((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = ECHO.repeat
      const stream = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request)
      collectStream(stream, request.count ?? 1, resolve, reject)
    }),
  chat: (client, request) =>
    new Promise((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = ECHO.chat
      const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
      let sent = 1
      // One message at a time: each goes out when the answer to the one before is there.
      stream.on('data', () => {
        if (sent++ < MESSAGES) stream.write(request)
        else stream.end()
      })
      collectStream(stream, MESSAGES, resolve, reject)
      stream.write(request)
    }),
}

function collectStream(
  stream: NodeJS.EventEmitter,
  wanted: number,
  resolve: (pod: string) => void,
  reject: (error: Error) => void,
): void {
  const pods = new Set<string>()
  let received = 0
  stream.on('data', ({ pod }: EchoResponse) => {
    received++
    pods.add(pod)
  })
  stream.on('error', reject)
  stream.on('status', ({ code }: StatusObject) => {
    if (code !== 0) return
    const [pod] = pods
    if (received !== wanted || pods.size !== 1 || pod === undefined)
      return reject(new Error(`${received} messages of ${pods.size} pods arrived instead of ${wanted} of one`))
    resolve(pod)
  })
}

function expect(isTrue: boolean, otherwise: string): void {
  if (!isTrue) throw new Error(otherwise)
}
