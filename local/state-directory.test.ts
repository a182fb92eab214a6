import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { claimStateDirectory, releaseStateDirectory, startTimeOf, stateDirectory } from './state-directory.ts'

test('claimStateDirectory', async (t) => {
  const directory = join(mkdtempSync(join(tmpdir(), 'weft-')), 'default')
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  t.equal(claimStateDirectory(directory).kind, 'claimed')
  t.match(claimStateDirectory(directory), { kind: 'taken', owner: { pid: process.pid } }, 'a living owner keeps it')
  releaseStateDirectory(directory)
  t.notOk(existsSync(directory))

  claimStateDirectory(directory)
  writeFileSync(join(directory, 'left-behind'), '')
  writeFileSync(join(directory, 'owner.json'), JSON.stringify({ pid: process.pid, startTime: '1' }))
  t.equal(claimStateDirectory(directory).kind, 'claimed', 'the same number, another process: the owner is dead')
  t.notOk(existsSync(join(directory, 'left-behind')), 'what it left is removed')

  writeFileSync(join(directory, 'owner.json'), 'half a fi')
  t.equal(claimStateDirectory(directory).kind, 'claimed', 'an owner that cannot be read is dead')
})

test('stateDirectory', async (t) => {
  t.equal(stateDirectory('a', {}, 0), '/run/weft/a')
  t.equal(stateDirectory('a', { XDG_RUNTIME_DIR: '/run/user/1000' }, 1000), '/run/user/1000/weft/a')
  t.match(stateDirectory('a', {}, 1000), /\/\.weft\/run\/a$/)
  t.equal(stateDirectory('a', { WEFT_STATE_DIR: '/x' }, 0), '/x/a')
})

test('startTimeOf', async (t) => {
  t.match(startTimeOf(process.pid), /^\d+$/)
  t.equal(startTimeOf(2 ** 22 + 1), undefined)
})
