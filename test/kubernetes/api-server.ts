/** A real API server with its etcd, without nodes or controllers, for tests of what talks to it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Agent, fetch } from 'undici'

const BIN = join(process.env.WEFT_TEST_CLUSTER ?? join(homedir(), '.cache', 'test-cluster'), 'bin')
const START_MS = 90_000

/** Why there is none here; `false` when there is one. */
export function missingApiServer(): string | false {
  const missing = ['etcd', 'kube-apiserver'].filter((name) => !existsSync(join(BIN, name)))
  return missing.length === 0 ? false : `${missing.join(' and ')} not found in ${BIN}; set WEFT_TEST_CLUSTER`
}

export interface TestApiServer {
  readonly server: string
  readonly ca: string
  /** May do everything. */
  readonly adminToken: string
  /** May do nothing that RBAC has not granted to the user `weft`. */
  readonly token: string
  send(method: string, path: string, body?: object): Promise<unknown>
  /** Ends the API server as a crash does; etcd stays. */
  kill(): Promise<void>
  /** Starts it again at the same address. */
  restart(): Promise<void>
  close(): Promise<void>
}

export async function startApiServer(): Promise<TestApiServer> {
  const directory = mkdtempSync(join(tmpdir(), 'weft-api-server-'))
  const [client, peer, secure] = [await freePort(), await freePort(), await freePort()]
  const adminToken = randomUUID()
  const token = randomUUID()
  writeFileSync(join(directory, 'tokens'), `${adminToken},admin,1,system:masters\n${token},weft,2\n`, { mode: 0o600 })
  const key = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  const keyFile = join(directory, 'service-accounts.key')
  writeFileSync(keyFile, key.privateKey, { mode: 0o600 })
  const etcdUrl = `http://127.0.0.1:${client}`
  const peerUrl = `http://127.0.0.1:${peer}`
  const etcd = start('etcd', [
    ...['--data-dir', join(directory, 'etcd'), '--unsafe-no-fsync', '--log-level', 'error', '--name', 'test'],
    ...['--listen-client-urls', etcdUrl, '--advertise-client-urls', etcdUrl, '--listen-peer-urls', peerUrl],
    ...['--initial-advertise-peer-urls', peerUrl, '--initial-cluster', `test=${peerUrl}`],
  ])
  const startServer = () =>
    start('kube-apiserver', [
      ...['--etcd-servers', etcdUrl, '--bind-address', '127.0.0.1', '--secure-port', String(secure)],
      ...['--cert-dir', join(directory, 'certificates'), '--token-auth-file', join(directory, 'tokens')],
      ...['--service-account-issuer', 'https://kubernetes.default.svc', '--service-account-key-file', keyFile],
      ...['--service-account-signing-key-file', keyFile, '--service-cluster-ip-range', '10.0.0.0/16'],
      ...['--authorization-mode', 'RBAC', '--disable-admission-plugins', 'ServiceAccount'],
    ])
  let program = startServer()
  const server = `https://127.0.0.1:${secure}`
  // The certificate is made at the first start; only this machine is talked to here.
  const dispatcher = new Agent({ connect: { rejectUnauthorized: false } })
  const ready = async () => {
    const giveUpAt = Date.now() + START_MS
    for (;;) {
      if (program.exitCode !== null) throw new Error(`kube-apiserver ended with ${program.exitCode}`)
      const headers = { authorization: `Bearer ${adminToken}` }
      const response = await fetch(`${server}/readyz`, { dispatcher, headers }).catch(() => undefined)
      await response?.text()
      if (response?.status === 200) return
      if (Date.now() > giveUpAt) throw new Error('kube-apiserver is not ready')
      await delay(100)
    }
  }
  const close = async () => {
    await Promise.all([end(program), end(etcd)])
    await dispatcher.close()
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    await ready()
  } catch (error) {
    await close()
    throw error
  }
  return {
    server,
    ca: readFileSync(join(directory, 'certificates', 'apiserver.crt'), 'utf8'),
    adminToken,
    token,
    async send(method, path, body) {
      const headers = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' }
      const init = { method, dispatcher, headers, ...(body && { body: JSON.stringify(body) }) }
      const response = await fetch(`${server}${path}`, init)
      const text = await response.text()
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
      return JSON.parse(text)
    },
    kill: () => end(program),
    async restart() {
      program = startServer()
      await ready()
    },
    close,
  }
}

function start(name: string, args: readonly string[]): ChildProcess {
  return spawn(join(BIN, name), args, { stdio: 'ignore' })
}

async function end(program: ChildProcess): Promise<void> {
  if (program.exitCode !== null || program.signalCode !== null) return
  const ended = new Promise((resolve) => program.once('exit', resolve))
  program.kill('SIGKILL')
  await ended
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
