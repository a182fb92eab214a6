/** A proxy on two cores: processes that share its ports and speak with one voice (proxy/workers.ts). */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Test, test } from 'tap'
import { NODE_FLAGS } from '../../proxy/node-flags.ts'
import { startControlStub } from '../support/control-stub.ts'

const MAIN = join(import.meta.dirname, '../../proxy/main.ts')

interface Proxy {
  readonly process: ChildProcess
  readonly adminUrl: string
  readonly ports: { readonly inbound: number; readonly outbound: number }
  /** Resolves when a line of the log matches. */
  says(pattern: RegExp): Promise<string>
}

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function start(t: Test): Promise<Proxy> {
  const stub = await startControlStub({})
  t.teardown(() => stub.close())
  const work = mkdtempSync(join(tmpdir(), 'weft-workers-'))
  t.teardown(() => rmSync(work, { recursive: true, force: true }))
  writeFileSync(join(work, 'token'), 'x')
  const [admin, inbound, outbound] = [await freePort(), await freePort(), await freePort()] as const
  const control = stub.plainAddress.replace('127.0.0.1', 'localhost.')
  const settings = {
    CORES: '2',
    LOG: 'warn,linkerd=info',
    DESTINATION_SVC_ADDR: control,
    POLICY_SVC_ADDR: control,
    IDENTITY_SVC_ADDR: control,
    DESTINATION_CONTEXT: '{}',
    POLICY_WORKLOAD: '{}',
    IDENTITY_DIR: work,
    IDENTITY_TRUST_ANCHORS: stub.authority.anchorsPem,
    IDENTITY_TOKEN_FILE: join(work, 'token'),
    IDENTITY_LOCAL_NAME: 'web.shop.serviceaccount.identity.linkerd.cluster.local',
    ADMIN_LISTEN_ADDR: `127.0.0.1:${admin}`,
    CONTROL_LISTEN_ADDR: '127.0.0.1:0',
    OUTBOUND_LISTEN_ADDR: `127.0.0.1:${outbound}`,
    INBOUND_LISTEN_ADDR: `127.0.0.1:${inbound}`,
    INBOUND_IPS: '127.0.0.1',
    INBOUND_PORTS: '80',
  }
  const child = spawn(process.execPath, [...NODE_FLAGS, MAIN], {
    env: Object.fromEntries(Object.entries(settings).map(([name, value]) => [`LINKERD2_PROXY_${name}`, value])),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const lines: string[] = []
  const log = createInterface({ input: child.stdout! })
  log.on('line', (line) => lines.push(line))
  const says = async (pattern: RegExp): Promise<string> => {
    for (;;) {
      const found = lines.find((line) => pattern.test(line))
      if (found !== undefined) return found
      const [line] = await Promise.race([once(log, 'line'), once(log, 'close').then(() => [undefined])])
      if (line === undefined) throw new Error(`the proxy ended without saying ${pattern}: ${lines.join('\n')}`)
    }
  }
  return { process: child, adminUrl: `http://127.0.0.1:${admin}`, ports: { inbound, outbound }, says }
}

async function isReady(url: string): Promise<boolean> {
  return fetch(`${url}/ready`).then(
    ({ status }) => status === 200,
    () => false,
  )
}

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** Processes whose parent is `pid`. */
function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((each) => {
      try {
        return Number(readFileSync(`/proc/${each}/stat`, 'latin1').split(') ')[1]!.split(' ')[1]) === pid
      } catch {
        return false
      }
    })
}

async function sum(url: string, series: RegExp): Promise<number> {
  const page = await (await fetch(`${url}/metrics`)).text()
  const lines = page.split('\n').filter((line) => series.test(line))
  return lines.reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

const skip =
  availableParallelism() < 2 ? 'two cores are needed; LINKERD2_PROXY_CORES never exceeds what is there' : false

test('a proxy on two cores', { skip }, async (t) => {
  const proxy = await start(t)
  await until(() => isReady(proxy.adminUrl))
  const [worker, ...others] = childrenOf(proxy.process.pid!)
  t.ok(worker !== undefined && others.length === 0, 'one worker beside the first process')

  t.equal(await sum(proxy.adminUrl, /^proxy_build_info\{/), 1, 'one page, not two')
  t.equal(
    await sum(proxy.adminUrl, /^control_identity_cert_refreshes_total\{result="ok"/),
    2,
    'each has its certificate',
  )
  const page = await (await fetch(`${proxy.adminUrl}/metrics`)).text()
  t.equal(page.split('# EOF').length, 2)

  const put = await fetch(`${proxy.adminUrl}/proxy-log-level`, { method: 'PUT', body: 'info' })
  t.equal(put.status, 204)

  process.kill(worker!, 'SIGKILL')
  await proxy.says(/worker 1 ended \(SIGKILL\); it is started again/)
  await until(async () => (await sum(proxy.adminUrl, /^control_identity_cert_refreshes_total\{result="ok"/)) === 2)
  t.not(childrenOf(proxy.process.pid!)[0], worker, 'another one takes its place')

  const [again] = childrenOf(proxy.process.pid!)
  proxy.process.kill('SIGTERM')
  const [code] = await once(proxy.process, 'exit')
  t.equal(code, 0)
  t.throws(() => process.kill(again!, 0), { code: 'ESRCH' }, 'workers end with it')
})

test('workers whose first process is killed end too', { skip }, async (t) => {
  const proxy = await start(t)
  await until(() => isReady(proxy.adminUrl))
  const [worker] = childrenOf(proxy.process.pid!)
  proxy.process.kill('SIGKILL')
  await until(async () => {
    try {
      process.kill(worker!, 0)
      return false
    } catch {
      return true
    }
  })
  t.pass('it has ended')
})
