/** Clients without HTTP, and WebSocket, which leaves HTTP behind. */
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { WebSocket } from 'ws'

/** A peer that never answers must not hang a test; generous, since machines can be busy. */
const DEADLINE_MS = 30_000

export interface OpaqueExchange {
  readonly host: string
  readonly port: number
  readonly send: string
}

/** Waits for the greeting, sends, waits for the echo, sends FIN, and returns all that came until the other FIN. */
export function opaqueExchange({ host, port, send }: OpaqueExchange): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = ''
    let step: 'greeting' | 'echo' | 'end' = 'greeting'
    const socket = connect({ host, port, allowHalfOpen: true })
    socket.setEncoding('utf8')
    socket.setTimeout(DEADLINE_MS, () =>
      socket.destroy(new Error(`nothing came for ${DEADLINE_MS} ms in step ${step}`)),
    )
    socket.on('data', (text: string) => {
      received += text
      if (step === 'greeting' && received.includes('\n')) {
        step = 'echo'
        socket.write(send)
      }
      if (step === 'echo' && received.includes(send)) {
        step = 'end'
        socket.end()
      }
    })
    socket.on('end', () => {
      socket.end()
      if (step === 'end') resolve(received)
      else reject(new Error(`closed in step ${step} after ${JSON.stringify(received)}`))
    })
    socket.on('error', reject)
  })
}

/** How long a server that speaks first takes to do so, in ms from connect on, and its first bytes, one character each. */
export function greeting({ host, port }: { readonly host: string; readonly port: number }): Promise<{
  readonly afterMs: number
  readonly text: string
}> {
  return new Promise((resolve, reject) => {
    const startedAtMs = performance.now()
    const socket = connect({ host, port })
    socket.setTimeout(DEADLINE_MS, () => socket.destroy(new Error(`no greeting for ${DEADLINE_MS} ms`)))
    socket.on('data', (chunk: Buffer) => {
      resolve({ afterMs: performance.now() - startedAtMs, text: chunk.toString('latin1') })
      socket.destroy()
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('closed without a greeting')))
  })
}

/** Speaks first; what came until the echo, or why it did not. */
export function plainExchange({
  host,
  port,
  send,
}: OpaqueExchange): Promise<{ readonly received: string; readonly error?: string }> {
  return new Promise((resolve) => {
    let received = ''
    const socket = connect({ host, port })
    socket.setEncoding('utf8')
    socket.setTimeout(DEADLINE_MS, () => socket.destroy(new Error(`nothing came for ${DEADLINE_MS} ms`)))
    socket.on('connect', () => socket.write(send))
    socket.on('data', (text: string) => {
      received += text
      if (!received.includes(send)) return
      resolve({ received })
      socket.destroy()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => resolve({ received, error: error.code ?? error.message }))
    socket.on('close', () => resolve({ received, error: 'closed' }))
  })
}

export interface TlsExchange {
  readonly host: string
  readonly port: number
  readonly serverName: string
  /** One character per byte. */
  readonly send: string
  /** The answer is complete when this came. */
  readonly until: string
  readonly alpn?: string
  readonly ca?: string
  /** The client's own certificate. */
  readonly cert?: string
  readonly key?: string
}

/** Over TLS: who answered, and what; or why there was no answer. Without `ca` any server will do. */
export function tlsExchange(
  options: TlsExchange,
): Promise<{ readonly fingerprint: string; readonly answer: string } | { readonly error: string }> {
  const { host, port, serverName, send, until, alpn, ca, cert, key } = options
  return new Promise((resolve) => {
    const socket = connectTls({
      host,
      port,
      servername: serverName,
      rejectUnauthorized: ca !== undefined,
      ...(alpn !== undefined && { ALPNProtocols: [alpn] }),
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
    })
    let fingerprint = ''
    socket.setTimeout(DEADLINE_MS, () => socket.destroy(new Error(`nothing came for ${DEADLINE_MS} ms`)))
    socket.on('secureConnect', () => {
      fingerprint = socket.getPeerCertificate().fingerprint256 ?? ''
      socket.write(send, 'latin1')
    })
    let answer = ''
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1')
      if (!answer.includes(until)) return
      resolve({ fingerprint, answer })
      socket.destroy()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => resolve({ error: error.code ?? error.message }))
    socket.on('close', () => resolve({ error: `closed after ${answer.length} bytes` }))
  })
}

/** Sends each message and waits for its echo, then closes; returns the echoes and the close code of the other side. */
export function webSocketEcho({
  url,
  messages,
}: {
  readonly url: string
  readonly messages: readonly string[]
}): Promise<{ readonly echoes: readonly string[]; readonly binary: number; readonly closeCode: number }> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url)
    const echoes: string[] = []
    let binary = 0
    const next = () => {
      const message = messages[echoes.length]
      if (message === undefined) socket.close(1000)
      // Text and binary by turns: a proxy must carry the frames as they are.
      else socket.send(echoes.length % 2 === 0 ? message : Buffer.from(message))
    }
    socket.on('open', next)
    socket.on('message', (data, isBinary) => {
      echoes.push(data.toString())
      if (isBinary) binary++
      next()
    })
    socket.on('error', reject)
    socket.on('close', (closeCode) => resolve({ echoes, binary, closeCode }))
  })
}
