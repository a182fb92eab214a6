/** Asks a sidecar's admin port until it is ready, and prints the time of that on the clock all processes share. */
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

const [host = '127.0.0.1', port = '4191', timeoutMs = '10000'] = process.argv.slice(2)
const INTERVAL_MS = 1

function isReady(): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ host, port: Number(port), path: '/ready', agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    asked.on('error', () => resolve(false))
    asked.end()
  })
}

process.stdout.write('asking\n')
const giveUpAtMs = performance.now() + Number(timeoutMs)
while (!(await isReady())) {
  if (performance.now() > giveUpAtMs) {
    process.stderr.write(`not ready within ${timeoutMs} ms\n`)
    process.exit(1)
  }
  await sleep(INTERVAL_MS)
}
process.stdout.write(`${process.hrtime.bigint()}\n`)
