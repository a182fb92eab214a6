import { test } from 'tap'
import { LOCALHOST } from '../policy/authorization.ts'
import { plainEndpoint } from '../policy/endpoint.ts'
import { defaultMeta } from '../policy/meta.ts'
import {
  controlLabels,
  inboundEndpointLabels,
  inboundSourceLabels,
  inboundTlsLabels,
  outboundEndpointLabels,
  outboundPeerLabels,
  outboundSourceLabels,
} from './endpoint-labels.ts'

const web = 'web.ns.serviceaccount.identity.linkerd.cluster.local'

test('inbound endpoint labels, in order', async (t) => {
  const endpoint = {
    ip: '10.0.0.1',
    port: 8080,
    tls: { kind: 'meshTls', identity: web },
    noTlsReason: 'no_tls_from_remote',
    server: defaultMeta('all-unauthenticated'),
    route: defaultMeta('default'),
    authorization: {
      ...LOCALHOST,
      meta: { group: 'policy.linkerd.io', kind: 'authorizationpolicy', namespace: '', name: 'p', section: '', port: 0 },
    },
    authority: undefined,
  } as const
  const rest = `target_addr="10.0.0.1:8080",target_ip="10.0.0.1",target_port="8080",tls="true",client_id="${web}",srv_group="",srv_kind="default",srv_name="all-unauthenticated",srv_port="8080",route_group="",route_kind="default",route_name="default",authz_group="policy.linkerd.io",authz_kind="authorizationpolicy",authz_name="p"`
  t.equal(inboundEndpointLabels(endpoint), `direction="inbound",${rest}`)
  t.equal(inboundEndpointLabels({ ...endpoint, authority: 'web' }), `direction="inbound",authority="web",${rest}`)
})

test('inbound TLS labels', async (t) => {
  t.equal(inboundTlsLabels({ kind: 'none' }, 'loopback'), 'tls="no_identity",no_tls_reason="loopback"')
  t.equal(inboundTlsLabels({ kind: 'tls' }, 'loopback'), 'tls="true",client_id=""')
  t.equal(inboundTlsLabels({ kind: 'opaque', sni: 'a.b' }, 'loopback'), 'tls="opaque",sni="a.b"')
  t.match(
    inboundSourceLabels('::1', 1, { kind: 'none' }, 'port_skipped', defaultMeta('d')),
    'direction="inbound",peer="src",target_addr="[::1]:1",target_ip="::1",target_port="1",tls="no_identity",no_tls_reason="port_skipped",srv_group=""',
  )
})

test('outbound endpoint labels, in order', async (t) => {
  const meta = {
    ...plainEndpoint('10.0.0.1', 8080),
    identity: { name: web, serverName: web },
    labels: new Map([
      ['namespace', 'ns'],
      ['pod', 'web-1'],
      ['we-ird', 'x'],
    ]),
  }
  const target = 'target_addr="10.0.0.1:8080",target_ip="10.0.0.1",target_port="8080"'
  t.equal(
    outboundEndpointLabels(meta, 'web.ns.svc.cluster.local:80'),
    `direction="outbound",authority="web.ns.svc.cluster.local",${target},tls="true",server_id="${web}",dst_namespace="ns",dst_pod="web-1",dst_we_ird="x"`,
  )
  t.equal(
    outboundEndpointLabels(plainEndpoint('10.0.0.1', 8080), undefined),
    `direction="outbound",${target},tls="no_identity",no_tls_reason="not_provided_by_service_discovery"`,
  )
  t.match(outboundPeerLabels(meta, 'web:8080'), 'direction="outbound",peer="dst",authority="web:8080",')
  t.equal(
    outboundSourceLabels('10.0.0.1', 8080),
    `direction="outbound",peer="src",${target},tls="no_identity",no_tls_reason="loopback"`,
  )
})

test('control labels', async (t) => {
  t.equal(
    controlLabels('localhost.:8086', undefined),
    'addr="localhost.:8086",tls="no_identity",no_tls_reason="loopback"',
  )
  t.equal(controlLabels('linkerd-dst:8086', web), `addr="linkerd-dst:8086",tls="true",server_id="${web}"`)
})
