/** Asks a container how it is, from the node as a kubelet does: HTTP, TCP, gRPC, or a command inside. */
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:net'
import type { Container, HttpGetAction, Probe } from '../../api/resources/pod.ts'

export interface ProbeTarget {
  readonly podIp: string
  readonly container: Container
  /** Runs a command in the container; resolves with its exit code. */
  exec(command: readonly string[], timeoutMs: number): Promise<number>
}

export interface ProbeResult {
  readonly isSuccess: boolean
  /** Why not, for the log. */
  readonly reason: string
}

const SUCCESS: ProbeResult = { isSuccess: true, reason: '' }

/** Never rejects: whatever goes wrong is a failed probe. */
export async function runProbe(probe: Probe, target: ProbeTarget): Promise<ProbeResult> {
  const timeoutMs = probe.timeoutSeconds * 1_000
  try {
    if (probe.httpGet !== undefined) return await probeHttp(probe.httpGet, target, timeoutMs)
    if (probe.tcpSocket !== undefined) return await probeTcp(probe.tcpSocket, target, timeoutMs)
    if (probe.grpc !== undefined) return await probeGrpc(probe.grpc, target, timeoutMs)
    const code = await target.exec(probe.exec?.command ?? [], timeoutMs)
    return code === 0 ? SUCCESS : failure(`the command exited with ${code}`)
  } catch (cause) {
    return failure((cause as Error).message)
  }
}

function failure(reason: string): ProbeResult {
  return { isSuccess: false, reason }
}

function probeHttp(action: HttpGetAction, target: ProbeTarget, timeoutMs: number): Promise<ProbeResult> {
  const request = action.scheme === 'HTTPS' ? httpsRequest : httpRequest
  const port = portNumber(action.port, target.container)
  const headers = Object.fromEntries(action.httpHeaders.map(({ name, value }) => [name, value]))
  return new Promise((resolve) => {
    const call = request({
      host: action.host ?? target.podIp,
      port,
      path: action.path,
      headers: { 'user-agent': 'kube-probe/weft', accept: '*/*', connection: 'close', ...headers },
      agent: false,
      // As a kubelet: the probe asks whether it answers, not who it is.
      rejectUnauthorized: false,
      signal: AbortSignal.timeout(timeoutMs),
    })
    call.on('response', (response) => {
      response.resume()
      const { statusCode = 0 } = response
      resolve(
        statusCode >= 200 && statusCode < 400
          ? SUCCESS
          : failure(`GET ${action.path} on port ${port} answered ${statusCode}`),
      )
    })
    call.on('error', (error) => resolve(failure(`GET ${action.path} on port ${port}: ${explain(error, timeoutMs)}`)))
    call.end()
  })
}

function probeTcp(
  action: { port: number | string; host?: string },
  target: ProbeTarget,
  timeoutMs: number,
): Promise<ProbeResult> {
  const port = portNumber(action.port, target.container)
  return new Promise((resolve) => {
    const socket = connect({ host: action.host ?? target.podIp, port })
    const end = (result: ProbeResult) => {
      socket.destroy()
      resolve(result)
    }
    socket.setTimeout(timeoutMs, () => end(failure(`port ${port} did not answer within ${timeoutMs} ms`)))
    socket.on('connect', () => end(SUCCESS))
    socket.on('error', (error) => end(failure(`port ${port}: ${error.message}`)))
  })
}

async function probeGrpc(
  action: { port: number; service?: string },
  target: ProbeTarget,
  timeoutMs: number,
): Promise<ProbeResult> {
  // Loaded only here: most pods have no such probe.
  const { Client, credentials } = await import('@grpc/grpc-js')
  const client = new Client(`${target.podIp}:${action.port}`, credentials.createInsecure())
  const name = Buffer.from(action.service ?? '')
  // HealthCheckRequest { string service = 1 }; HealthCheckResponse { ServingStatus status = 1 }, SERVING = 1.
  const message = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, name.length]), name])
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      message,
      { deadline: Date.now() + timeoutMs },
      (error: Error | null, response?: Buffer) => {
        client.close()
        if (error !== null) resolve(failure(`health check on port ${action.port}: ${error.message}`))
        else
          resolve(
            response?.[0] === 0x08 && response[1] === 1
              ? SUCCESS
              : failure(`health check on port ${action.port}: not serving`),
          )
      },
    )
  })
}

function portNumber(port: number | string, container: Container): number {
  if (typeof port === 'number') return port
  const found = container.ports.find(({ name }) => name === port)
  if (found === undefined) throw new Error(`container ${container.name} has no port called ${port}`)
  return found.containerPort
}

function explain(error: Error, timeoutMs: number): string {
  return error.name === 'TimeoutError' || error.name === 'AbortError'
    ? `no answer within ${timeoutMs} ms`
    : error.message
}
