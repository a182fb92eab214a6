/** A real database, which speaks first, on a port that nobody declared opaque. */
import { spawnSync } from 'node:child_process'
import { test } from 'tap'
import { cannotRun, startMesh } from './cluster.ts'
import { client, mariadb, namespace } from './manifests.ts'

/** Not 3306, which is opaque by default. */
const PORT = 13_306
/** Without the dial of its proxy a client waits for the detection timeout, 10 s. */
const SOON_MS = 1_000
/** For so long an outbound proxy waits for the client of a server that it does not know. */
const SILENCE_MS = 100

const missing = ['mariadbd', 'mariadb'].filter((program) => spawnSync(program, ['--version']).error !== undefined)
const skip =
  cannotRun || (missing.length > 0 && `${missing.join(', ')} missing; install mariadb-server-core, mariadb-client-core`)

test('MariaDB on a port that nobody declared opaque', { skip }, async (t) => {
  const mesh = await startMesh(t, {
    manifests: [
      namespace('meshed', true),
      namespace('plain', false),
      ...mariadb({ name: 'db', namespace: 'meshed' }, PORT),
      ...client({ name: 'app', namespace: 'meshed' }),
      ...client({ name: 'stranger', namespace: 'plain' }),
    ],
  })
  for (const [ns, name] of [
    ['meshed', 'app'],
    ['plain', 'stranger'],
  ] as const) {
    const agent = mesh.agent(ns, name)
    const db = { host: 'db.meshed', port: PORT }
    const first = await agent.call('greeting', db)
    t.match(first.text, '-MariaDB', `${ns}: a greeting of MariaDB`)
    const times = [first.afterMs]
    for (let more = 0; more < 5; more++) times.push((await agent.call('greeting', db)).afterMs)
    t.comment(`${ns}: greeted after ${times.map((ms) => ms.toFixed(0)).join(', ')} ms`)
    // The machine may be busy: the quickest counts.
    t.ok(Math.min(...times) < SOON_MS, `${ns}: within ${SOON_MS} ms`)
    if (ns === 'meshed')
      t.ok(Math.min(...times) < SILENCE_MS, `${ns}: at once, when it is known that the server greets`)
    const query = ['mariadb', '--no-defaults', '--skip-ssl', `-h${db.host}`, `-P${PORT}`, '-e', 'SELECT 6 * 7']
    t.equal(await mesh.exec(ns, name, 'client', query), 0, `${ns}: and its client works`)
  }
})
