import { test } from 'tap'
import { planVisibility } from './visibility.ts'

const MODES = new Map([
  ['/root', 0o700],
  ['/home/ann', 0o750],
  ['/home', 0o755],
  ['/usr', 0o755],
  ['/root/weft', 0o755],
])
const plan = (...paths: string[]) => planVisibility(paths, '/covers', (path) => MODES.get(path) ?? 0o755)

test('planVisibility', async (t) => {
  t.same(plan('/usr', '/home/bob/app'), { script: [], covers: [] }, 'what everybody may enter stays as it is')
  const { script, covers } = plan('/root/weft', '/root/weft/node_modules', '/root/.nvm/v22', '/home/ann/app')
  t.same(covers, [
    { source: '/covers/0', target: '/root' },
    { source: '/covers/1', target: '/home/ann' },
  ])
  t.same(
    script.filter((line) => line.includes('--rbind')),
    [
      'mount -n --rbind /root/weft /covers/0/weft',
      'mount -n --rbind /root/.nvm/v22 /covers/0/.nvm/v22',
      'mount -n --rbind /home/ann/app /covers/1/app',
    ],
    'a path inside another one is there already',
  )
  t.same(
    plan('/root').script.filter((line) => line.includes('--rbind')),
    [],
    'the closed directory itself stays closed',
  )
})
