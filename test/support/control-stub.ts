/**
 * A control plane of fixed answers: identity, destination and policy APIs in one small gRPC server.
 *
 * Tests and benchmarks of the proxy alone use it, so that what they find is the proxy's doing. It listens twice:
 * plain for proxies that reach it over loopback, and behind the mesh TLS that a control plane's own sidecar would
 * terminate for all others.
 */

import { connect } from 'node:net'
import { createSecureContext, createServer, type Server as TlsServer } from 'node:tls'
import { create } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { Server, ServerCredentials, type ServerWritableStream, status } from '@grpc/grpc-js'
import {
  Destination,
  type DestinationProfile,
  DestinationProfileSchema,
  type GetDestination,
  type Update,
  UpdateSchema,
} from '../../api/gen/destination_pb.js'
import { Identity } from '../../api/gen/identity_pb.js'
import { type Server as InboundServer, InboundServerPolicies, type PortSpec } from '../../api/gen/inbound_pb.js'
import { OutboundPolicies, type OutboundPolicy, type TrafficSpec } from '../../api/gen/outbound_pb.js'
import { addService } from '../../api/grpc.ts'
import { formatSocketAddress, tcpAddressFromMessage } from '../../api/ip.ts'
import { type Authority, createAuthority } from './authority.ts'
import {
  endpointsUpdate,
  inboundServer,
  outboundPolicy,
  type StubEndpoint,
  type StubService,
  serviceProfile,
} from './control-messages.ts'

export interface ControlStubOptions {
  readonly services?: readonly StubService[]
  /** Inbound ports that are opaque in every pod. */
  readonly opaquePorts?: readonly number[]
  readonly authority?: Authority
  readonly certificateLifetimeMs?: number
  /** Where to listen with mesh TLS; without it only the plain port on loopback is open. */
  readonly tlsHost?: string
  /** Policies other than the plain ones, by address (`10.78.0.1:8080`) and by inbound port. */
  readonly policies?: StubPolicies
}

export interface StubPolicies {
  outbound(address: string): OutboundPolicy | undefined
  inbound(port: number): InboundServer | undefined
}

export const CONTROL_IDENTITIES = {
  identity: 'linkerd-identity.linkerd.serviceaccount.identity.linkerd.cluster.local',
  destination: 'linkerd-destination.linkerd.serviceaccount.identity.linkerd.cluster.local',
} as const

type Stream<Request, Response> = ServerWritableStream<Request, Response>

export async function startControlStub(options: ControlStubOptions = {}): Promise<ControlStub> {
  const authority = options.authority ?? (await createAuthority())
  const stub = new ControlStub(authority, options)
  await stub.listen(options.tlsHost)
  return stub
}

export class ControlStub {
  readonly authority: Authority
  /** `127.0.0.1:PORT`, without TLS. */
  plainAddress = ''
  /** `HOST:PORT` with mesh TLS; empty without `tlsHost`. */
  tlsAddress = ''
  /** How often each method was called. */
  readonly calls = new Map<string, number>()

  readonly #services = new Map<string, StubService>()
  readonly #opaquePorts: ReadonlySet<number>
  readonly #certificateLifetimeMs: number | undefined
  readonly #policies: StubPolicies | undefined
  readonly #gets = new Map<string, Set<Stream<GetDestination, Update>>>()
  readonly #server = new Server()
  #tls: TlsServer | undefined

  constructor(authority: Authority, options: ControlStubOptions) {
    this.authority = authority
    this.#opaquePorts = new Set(options.opaquePorts ?? [])
    this.#certificateLifetimeMs = options.certificateLifetimeMs
    this.#policies = options.policies
    for (const service of options.services ?? []) this.#services.set(service.name, service)
    this.#addHandlers()
  }

  /** Replaces a service; watchers of its endpoints hear of the new ones at once. */
  setService(service: StubService): void {
    const before = this.#services.get(service.name)
    this.#services.set(service.name, service)
    const current = new Set(service.endpoints.map(keyOf))
    const gone = (before?.endpoints ?? []).filter((endpoint) => !current.has(keyOf(endpoint)))
    for (const call of this.#gets.get(service.name) ?? []) {
      for (const update of endpointsUpdate(service, gone)) call.write(create(UpdateSchema, update))
    }
  }

  async listen(tlsHost: string | undefined): Promise<void> {
    const port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      )
    })
    this.plainAddress = `127.0.0.1:${port}`
    if (tlsHost === undefined) return

    const leaves = await Promise.all(Object.values(CONTROL_IDENTITIES).map((name) => this.authority.issue(name)))
    const contexts = new Map(
      Object.values(CONTROL_IDENTITIES).map((name, index) => {
        const { privateKeyPem: key, certificatePem: cert } = leaves[index]!
        return [
          name as string,
          createSecureContext({ key, cert, ca: this.authority.anchorsPem, minVersion: 'TLSv1.3' }),
        ]
      }),
    )
    this.#tls = createServer(
      {
        key: leaves[0]!.privateKeyPem,
        cert: leaves[0]!.certificatePem,
        ca: this.authority.anchorsPem,
        minVersion: 'TLSv1.3',
        // A proxy has no certificate yet when it asks for its first one.
        requestCert: true,
        rejectUnauthorized: false,
        SNICallback: (name, done) => {
          const context = contexts.get(name)
          if (context === undefined) done(new Error(`"${name}" is no identity of the control plane`))
          else done(null, context)
        },
      },
      // Proxies offer no ALPN to a control plane, which Node's HTTP/2 server would take for HTTP/1; so the TLS ends
      // here and plain text goes on to the server, as it would from the control plane's own sidecar.
      (socket) => {
        // As a sidecar does: else small frames wait 40 ms for an acknowledgement.
        socket.setNoDelay(true)
        const plain = connect({ port, host: '127.0.0.1', noDelay: true })
        for (const [from, to] of [
          [socket, plain],
          [plain, socket],
        ] as const) {
          from.pipe(to)
          from.on('error', () => to.destroy())
          from.on('close', () => to.destroy())
        }
      },
    )
    this.#tls.on('tlsClientError', () => {})
    await new Promise<void>((resolve, reject) => {
      this.#tls!.once('error', reject)
      this.#tls!.listen(0, tlsHost, resolve)
    })
    this.tlsAddress = `${tlsHost}:${(this.#tls.address() as { port: number }).port}`
  }

  close(): void {
    this.#tls?.close()
    this.#server.forceShutdown()
  }

  #addHandlers(): void {
    addService(this.#server, Identity, {
      certify: (call, callback) => {
        this.#count('Certify')
        const { identity, certificateSigningRequest } = call.request
        this.authority.sign(certificateSigningRequest, identity, this.#certificateLifetimeMs).then(
          ({ certificateDer, notAfterMs }) =>
            callback(null, {
              $typeName: 'io.linkerd.proxy.identity.CertifyResponse',
              leafCertificate: certificateDer,
              intermediateCertificates: [],
              validUntil: timestampFromMs(notAfterMs),
            }),
          (error: Error) => callback({ code: status.INVALID_ARGUMENT, details: error.message }),
        )
      },
    })
    addService(this.#server, Destination, {
      get: (call) => this.#get(call),
      getProfile: (call) => this.#getProfile(call),
    })
    addService(this.#server, InboundServerPolicies, {
      getPort: (call, callback) => callback(null, this.#inbound(call.request)),
      watchPort: (call) => {
        this.#count('WatchPort')
        call.write(this.#inbound(call.request))
      },
    })
    addService(this.#server, OutboundPolicies, {
      get: (call, callback) => {
        const policy = this.#outbound(call.request)
        callback(policy === undefined ? { code: status.NOT_FOUND, details: 'not a service' } : null, policy)
      },
      watch: (call) => {
        this.#count('Watch')
        const policy = this.#outbound(call.request)
        if (policy === undefined) call.emit('error', { code: status.NOT_FOUND, details: 'not a service' })
        else call.write(policy)
      },
    })
  }

  #get(call: Stream<GetDestination, Update>): void {
    this.#count('Get')
    const service = this.#services.get(call.request.path)
    if (service === undefined) return void call.emit('error', { code: status.NOT_FOUND, details: call.request.path })
    const watchers = this.#gets.get(service.name) ?? new Set()
    this.#gets.set(service.name, watchers.add(call))
    call.on('cancelled', () => watchers.delete(call))
    for (const update of endpointsUpdate(service, [])) call.write(create(UpdateSchema, update))
  }

  #getProfile(call: Stream<GetDestination, DestinationProfile>): void {
    this.#count('GetProfile')
    const { path } = call.request
    call.write(create(DestinationProfileSchema, serviceProfile(this.#find(path), path, this.#opaquePorts)))
  }

  #outbound(request: TrafficSpec): OutboundPolicy | undefined {
    const { target } = request
    const address = target.case === 'addr' ? tcpAddressFromMessage(target.value) : undefined
    const path = target.case === 'authority' ? target.value : address && formatSocketAddress(address)
    if (path === undefined) return undefined
    const service = this.#find(path)
    return this.#policies?.outbound(path) ?? (service && outboundPolicy(service))
  }

  #inbound({ port }: PortSpec): InboundServer {
    return this.#policies?.inbound(port) ?? inboundServer(this.#opaquePorts.has(port))
  }

  #find(path: string): StubService | undefined {
    for (const service of this.#services.values()) if (service.name === path || service.address === path) return service
    return undefined
  }

  #count(method: string): void {
    this.calls.set(method, (this.calls.get(method) ?? 0) + 1)
  }
}

function keyOf({ address }: StubEndpoint): string {
  return address
}
