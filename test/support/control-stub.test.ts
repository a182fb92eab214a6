import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:tls'
import { test } from 'tap'
import 'reflect-metadata'
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509'
import { Destination } from '../../api/gen/destination_pb.js'
import { Identity } from '../../api/gen/identity_pb.js'
import { InboundServerPolicies } from '../../api/gen/inbound_pb.js'
import { OutboundPolicies } from '../../api/gen/outbound_pb.js'
import { createClient } from '../../api/grpc.ts'
import { parseSocketAddress, tcpAddressToMessage } from '../../api/ip.ts'
import { CONTROL_IDENTITIES, startControlStub } from './control-stub.ts'

const SERVICE = {
  name: 'echo.bench.svc.cluster.local:8080',
  address: '10.78.0.1:8080',
  endpoints: [{ address: '10.77.0.3:8080', identity: 'default.bench.serviceaccount.identity.linkerd.cluster.local' }],
}

test('the stub answers every API of the control plane', async (t) => {
  const stub = await startControlStub({ services: [SERVICE], opaquePorts: [6379], tlsHost: '127.0.0.1' })
  t.teardown(() => stub.close())
  const destination = createClient(Destination, stub.plainAddress)
  const inbound = createClient(InboundServerPolicies, stub.plainAddress)
  const outbound = createClient(OutboundPolicies, stub.plainAddress)
  const identity = createClient(Identity, stub.plainAddress)
  for (const client of [destination, inbound, outbound, identity]) t.teardown(() => client.close())

  const get = destination.get({ path: SERVICE.name })
  const [first] = await once(get, 'data')
  t.equal(first.update.case, 'add')
  stub.setService({ ...SERVICE, endpoints: [] })
  const [second] = await once(get, 'data')
  t.equal(second.update.case, 'remove', 'a watcher hears that an endpoint is gone')
  get.on('error', () => {}).cancel()

  const profile = destination.getProfile({ path: SERVICE.address })
  t.equal((await once(profile, 'data'))[0].fullyQualifiedName, 'echo.bench.svc.cluster.local')
  profile.on('error', () => {}).cancel()

  const policy = await outbound.get({
    target: { case: 'addr', value: tcpAddressToMessage(parseSocketAddress(SERVICE.address)!) },
  })
  t.equal(policy.protocol?.kind.case, 'detect')
  await t.rejects(
    outbound.get({ target: { case: 'addr', value: tcpAddressToMessage(parseSocketAddress('10.1.1.1:1')!) } }),
    {
      code: 5,
    },
  )
  t.equal((await inbound.getPort({ port: 6379 })).protocol?.kind.case, 'opaque')
  t.equal((await inbound.getPort({ port: 8080 })).protocol?.kind.case, 'detect')

  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign'])
  const csr = await Pkcs10CertificateRequestGenerator.create({
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
  })
  const name = 'web.shop.serviceaccount.identity.linkerd.cluster.local'
  const certified = await identity.certify({ identity: name, certificateSigningRequest: new Uint8Array(csr.rawData) })
  const leaf = new X509Certificate(certified.leafCertificate)
  t.equal(leaf.subjectAltName, `DNS:${name}`)
  t.ok(leaf.verify(new X509Certificate(stub.authority.anchorsPem).publicKey), 'signed by the anchor')
})

test('behind TLS the stub shows the identity that is asked for', async (t) => {
  const stub = await startControlStub({ tlsHost: '127.0.0.1' })
  t.teardown(() => stub.close())
  const [host, port] = stub.tlsAddress.split(':')
  for (const servername of Object.values(CONTROL_IDENTITIES)) {
    const socket = connect({ host: host!, port: Number(port), servername, ca: stub.authority.anchorsPem })
    await once(socket, 'secureConnect')
    t.equal(socket.getPeerCertificate().subjectaltname, `DNS:${servername}`)
    t.equal(socket.getProtocol(), 'TLSv1.3')
    const session = connectHttp2('http://stub', { createConnection: () => socket })
    await new Promise((resolve, reject) =>
      session.ping((error) => (error === null ? resolve(undefined) : reject(error))),
    )
    t.pass('HTTP/2 without ALPN is spoken')
    session.destroy()
  }
})
