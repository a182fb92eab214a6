/** A real gRPC server on loopback for tests, with raw messages: what it says is bytes, as the wire has them. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server as NetServer, type Socket } from 'node:net'
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js'

const same = (bytes: Buffer) => bytes

export type StreamHandler = (call: ServerWritableStream<Buffer, Buffer>) => void
export type UnaryHandler = (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => void

export interface Methods {
  readonly stream?: Readonly<Record<string, StreamHandler>>
  readonly unary?: Readonly<Record<string, UnaryHandler>>
}

export class TestServer {
  readonly #server: Server
  readonly port: number

  private constructor(port: number, server: Server) {
    this.#server = server
    this.port = port
  }

  static async start(methods: Methods, port = 0): Promise<TestServer> {
    const server = new Server({ 'grpc.max_send_message_length': -1 })
    const method = (path: string, responseStream: boolean) => ({
      path,
      requestStream: false,
      responseStream,
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    })
    const definition = Object.fromEntries([
      ...Object.keys(methods.stream ?? {}).map((path) => [path, method(path, true)]),
      ...Object.keys(methods.unary ?? {}).map((path) => [path, method(path, false)]),
    ])
    server.addService(definition, { ...methods.stream, ...methods.unary } as never)
    const bound = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, at) =>
        error === null ? resolve(at) : reject(error),
      )
    })
    return new TestServer(bound, server)
  }

  /** Closes all connections at once. */
  kill(): void {
    this.#server.forceShutdown()
  }

  /** GOAWAY, and calls under way may finish. */
  drain(): void {
    this.#server.tryShutdown(() => {})
  }
}

/** A TCP relay that passes bytes on in small pieces, or not at all. */
export class Relay {
  readonly #server: NetServer
  readonly #sockets = new Set<Socket>()
  pieceBytes: number
  isStalled = false

  private constructor(server: NetServer, pieceBytes: number) {
    this.#server = server
    this.pieceBytes = pieceBytes
  }

  static async start(port: number, pieceBytes: number): Promise<Relay> {
    const server = createServer({ noDelay: true })
    const relay = new Relay(server, pieceBytes)
    server.on('connection', (client) => {
      const upstream = connect({ host: '127.0.0.1', port, noDelay: true })
      for (const [from, to] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        relay.#sockets.add(from)
        from.on('error', () => {})
        from.on('close', () => to.destroy())
        from.on('data', (data: Buffer) => {
          if (relay.isStalled) return
          for (let at = 0; at < data.length; at += relay.pieceBytes) to.write(data.subarray(at, at + relay.pieceBytes))
        })
      }
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return relay
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}

/** Waits until something that happens on sockets has happened. */
export async function until(condition: () => boolean, what = 'the condition', timeoutMs = 5_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`${what} did not come true within ${timeoutMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
