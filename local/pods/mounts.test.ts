import { test } from 'tap'
import { type Mount, type MountContext, mountScript } from './mounts.ts'

const FILES = new Map<string, 'file' | 'directory'>([
  ['/', 'directory'],
  ['/etc', 'directory'],
  ['/etc/hosts', 'file'],
  ['/run', 'directory'],
  ['/tmp', 'directory'],
  ['/var', 'directory'],
  ['/var/run', 'directory'],
  ['/srv/data', 'directory'],
])

const context: MountContext = {
  scratch: '/s',
  isRootless: false,
  fileType: (path) => FILES.get(path),
  realPath: (path) => path.replace(/^\/var\/run/, '/run'),
}

const at = (mountPath: string, given: Partial<Mount> = {}): Mount => ({
  source: '/volume',
  isFile: false,
  mountPath,
  isReadOnly: false,
  ...given,
})

test('mountScript', async (t) => {
  const cases = [
    {
      name: 'a directory that exists is covered',
      mounts: [at('/srv/data')],
      has: ['mount -n --rbind /volume /srv/data'],
    },
    {
      name: 'below /run everything is private',
      mounts: [at('/run/secrets/x')],
      has: ['mkdir -p /s/run/secrets/x', 'mount -n --rbind /volume /s/run/secrets/x'],
    },
    { name: '/var/run is /run', mounts: [at('/var/run/linkerd/')], has: ['mount -n --rbind /volume /s/run/linkerd'] },
    { name: 'a file', mounts: [at('/etc/hosts', { isFile: true })], has: ['mount -n --rbind /volume /etc/hosts'] },
    {
      name: 'read-only',
      mounts: [at('/srv/data', { isReadOnly: true })],
      has: ['mount -n -o remount,bind,ro /srv/data'],
    },
    {
      name: 'what does not exist is made in an overlay',
      mounts: [at('/etc/app/config')],
      has: [
        'mount -n -t overlay overlay -o lowerdir=/etc,upperdir=/s/overlay-0/upper,workdir=/s/overlay-0/work /etc',
        'mkdir -p /etc/app/config',
        'mount -n --rbind /volume /etc/app/config',
      ],
    },
  ]
  for (const { name, mounts, has } of cases) {
    const script = mountScript(mounts, context)
    for (const line of has) t.ok(script.includes(line), `${name}: ${line}`)
    t.equal(script.at(-1), 'mount -n --rbind /s/run /run', `${name}: /run is covered last`)
  }
})

test('mount paths that cannot be made', async (t) => {
  const cases = [
    {
      path: '/data',
      says: 'mountPath /data: this machine has no directory /data; create it, or mount below /run or /tmp',
    },
    { path: '/run', says: 'mountPath /run: every container has its own; mount below it' },
    { path: '/etc/hosts', says: 'mountPath /etc/hosts: this machine has a file there; choose another path' },
  ]
  for (const { path, says } of cases) t.throws(() => mountScript([at(path)], context), { message: says })
})
