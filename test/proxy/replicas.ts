/** Two replicas of an application, of which the second can be told to fail, and a client that asks through the pair. */
import type { Test } from 'tap'
import { Agent, request } from 'undici'
import type { OutboundPolicy } from '../../proxy/policy/outbound-policy.ts'
import { connectHttp2, startHttp1, startHttp2 } from './apps.ts'
import { startPair } from './pair.ts'

/** Sends one request and says how it was answered: the HTTP status, or grpc-status. */
export type Ask = () => Promise<string>

export interface Replicas {
  readonly ports: number[]
  /** Requests each one has seen. */
  readonly seen: number[]
  isFailing: boolean
}

export async function http1Replicas(t: Test, status: number, fields: Record<string, string> = {}): Promise<Replicas> {
  const replicas: Replicas = { ports: [], seen: [0, 0], isFailing: true }
  for (const index of [0, 1]) {
    const app = await startHttp1((_request, response) => {
      replicas.seen[index]!++
      const fails = index === 1 && replicas.isFailing
      response.writeHead(fails ? status : 200, fails ? fields : {})
      response.end('x')
    })
    t.teardown(app.close)
    replicas.ports.push(app.port)
  }
  return replicas
}

/** They answer with one message, and the status in trailers. */
export async function grpcReplicas(t: Test, grpcStatus: number): Promise<Replicas> {
  const replicas: Replicas = { ports: [], seen: [0, 0], isFailing: true }
  for (const index of [0, 1]) {
    const app = await startHttp2((stream) => {
      replicas.seen[index]!++
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('wantTrailers', () =>
        stream.sendTrailers({ 'grpc-status': String(index === 1 && replicas.isFailing ? grpcStatus : 0) }),
      )
      stream.end(Buffer.from([0, 0, 0, 0, 0]))
    })
    t.teardown(app.close)
    replicas.ports.push(app.port)
  }
  return replicas
}

export async function clientOf(t: Test, { ports }: Replicas, policy: OutboundPolicy, isGrpc: boolean): Promise<Ask> {
  const pair = await startPair({ appPorts: ports, policy, failFastTimeoutMs: 200 })
  if (isGrpc) {
    const session = await connectHttp2(pair.port)
    t.teardown(() => {
      session.destroy()
      pair.close()
    })
    return () =>
      new Promise((resolve, reject) => {
        const headers = { ':method': 'POST', ':path': '/a.B/C', 'content-type': 'application/grpc', te: 'trailers' }
        const stream = session.request(headers, { endStream: true })
        let grpcStatus: unknown
        stream.on('response', (head) => {
          grpcStatus = head['grpc-status']
        })
        stream.on('trailers', (trailers) => {
          grpcStatus = trailers['grpc-status']
        })
        stream.on('error', reject)
        stream.on('close', () => resolve(String(grpcStatus)))
        stream.resume()
      })
  }
  const agent = new Agent()
  t.teardown(async () => {
    await agent.destroy()
    pair.close()
  })
  return async () => {
    const { statusCode, body } = await request(`http://127.0.0.1:${pair.port}/`, { dispatcher: agent })
    await body.dump()
    return String(statusCode)
  }
}

/** How often each answer came. */
export async function asks(count: number, ask: Ask): Promise<Map<string, number>> {
  const answers = new Map<string, number>()
  for (let at = 0; at < count; at++) {
    const answer = await ask()
    answers.set(answer, (answers.get(answer) ?? 0) + 1)
  }
  return answers
}
