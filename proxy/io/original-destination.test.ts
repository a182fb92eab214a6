import { once } from 'node:events'
import { createConnection, createServer, type Socket } from 'node:net'
import { test } from 'tap'
import {
  decodeSocketAddress,
  originalDestination,
  setTcpUnsentBytes,
  setTcpUserTimeout,
} from './original-destination.ts'

test('decodeSocketAddress', async (t) => {
  const cases = [
    { name: 'IPv4', bytes: '0200 1f90 0a600001 0000000000000000', address: { ip: '10.96.0.1', port: 8080 } },
    {
      name: 'IPv6',
      bytes: '0a00 0050 00000000 fd790000000000000000000000000001 00000000',
      address: { ip: 'fd79::1', port: 80 },
    },
    {
      name: 'IPv4 mapped into IPv6 is IPv4',
      bytes: '0a00 0050 00000000 00000000000000000000ffff0a4f0002 00000000',
      address: { ip: '10.79.0.2', port: 80 },
    },
    {
      name: 'the highest port',
      bytes: '0200 ffff 7f000001 0000000000000000',
      address: { ip: '127.0.0.1', port: 65_535 },
    },
    { name: 'another family', bytes: '0100 0050 0a600001 0000000000000000', address: undefined },
    { name: 'a cut IPv4 address', bytes: '0200 1f90 0a60', address: undefined },
    { name: 'a cut IPv6 address', bytes: '0a00 0050 00000000 fd790000000000000000', address: undefined },
    { name: 'nothing', bytes: '', address: undefined },
  ]
  for (const { name, bytes, address } of cases) {
    t.same(decodeSocketAddress(Buffer.from(bytes.replaceAll(' ', ''), 'hex')), address, name)
  }
})

// That redirected connections give their address is tested behind real rules: injector/rules/apply.test.ts.
test('system calls on an ordinary connection', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = createConnection((server.address() as { port: number }).port, '127.0.0.1')
  const [accepted] = (await once(server, 'connection')) as [Socket]
  t.teardown(() => {
    client.destroy()
    accepted.destroy()
    server.close()
  })
  const { fd } = (accepted as unknown as { _handle: { fd: number } })._handle
  t.doesNotThrow(() => originalDestination(fd))
  t.equal(setTcpUserTimeout(fd, 30_000), true, 'the kernel takes the timeout')
  t.equal(setTcpUnsentBytes(fd, 65_536), true, 'and the bound')
  t.equal(originalDestination(-1), undefined, 'no descriptor, no address')
  t.equal(setTcpUserTimeout(-1, 30_000), false, 'no descriptor, no timeout')
})
