/** Parts of routes as messages, shared by inbound and outbound policies. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { GrpcRouteMatchSchema } from '../../../api/gen/grpc_route_pb.js'
import type {
  HeaderMatchSchema,
  HttpFailureInjectorSchema,
  HttpRouteMatchSchema,
  PathModifierSchema,
  RatioSchema,
  RequestRedirectSchema,
} from '../../../api/gen/http_route_pb.js'
import type { HeadersSchema } from '../../../api/gen/http_types_pb.js'
import { HttpMethod_Registered, Scheme_Registered } from '../../../api/gen/http_types_pb.js'
import type { MetadataSchema } from '../../../api/gen/meta_pb.js'
import type {
  Failure,
  GrpcMatch,
  HeaderEdits,
  HeaderField,
  HostMatch,
  HttpMatch,
  NamedMatch,
  Origin,
  PathEdit,
  PathMatch,
  Ratio,
  RouteFilter,
} from '../model/route.ts'

export function metadataMessage(origin: Origin): MessageInitShape<typeof MetadataSchema> {
  if (origin.kind === 'default') return { kind: { case: 'default', value: origin.name } }
  const { resource, port } = origin
  const { group, kind, namespace, name, generation } = resource
  return {
    kind: {
      case: 'resource',
      value: {
        group,
        kind,
        namespace,
        name,
        ...(port !== undefined && { port }),
        weftGeneration: BigInt(generation),
      },
    },
  }
}

type HostKind =
  | { case: 'exact'; value: string }
  /** `*.example.com` is [com, example]. */
  | { case: 'suffix'; value: { reverseLabels: string[] } }

/** Matches of hosts and of server names (SNI) have one shape. */
export function hostMessage(host: HostMatch): { match: HostKind } {
  return host.kind === 'exact'
    ? { match: { case: 'exact', value: host.host } }
    : { match: { case: 'suffix', value: { reverseLabels: host.suffix.split('.').reverse() } } }
}

export function httpMatchMessage({
  path,
  headers,
  query,
  method,
}: HttpMatch): MessageInitShape<typeof HttpRouteMatchSchema> {
  return {
    ...(path && { path: pathMessage(path) }),
    headers: headers.map(headerMessage),
    queryParams: query.map(({ name, value }) => ({ name, value: { case: value.kind, value: value.value } })),
    ...(method !== undefined && {
      method: {
        type: { case: 'registered', value: HttpMethod_Registered[method as keyof typeof HttpMethod_Registered] },
      },
    }),
  }
}

export function grpcMatchMessage({
  service,
  method,
  headers,
}: GrpcMatch): MessageInitShape<typeof GrpcRouteMatchSchema> {
  return { rpc: { service, method }, headers: headers.map(headerMessage) }
}

function pathMessage({ kind, value }: PathMatch): NonNullable<MessageInitShape<typeof HttpRouteMatchSchema>['path']> {
  return { kind: { case: kind, value } }
}

function headerMessage({ name, value }: NamedMatch): MessageInitShape<typeof HeaderMatchSchema> {
  return value.kind === 'exact'
    ? { name, value: { case: 'exact', value: Buffer.from(value.value) } }
    : { name, value: { case: 'regex', value: value.value } }
}

/** Modifiers of requests and of responses have one shape. */
export function headersMessage({ add, set, remove }: HeaderEdits) {
  return { add: fieldsMessage(add), set: fieldsMessage(set), remove: [...remove] }
}

function fieldsMessage(fields: readonly HeaderField[]): MessageInitShape<typeof HeadersSchema> {
  return { headers: fields.map(({ name, value }) => ({ name, value: Buffer.from(value) })) }
}

export function redirectMessage(
  redirect: Extract<RouteFilter<never>, { kind: 'redirect' }>,
): MessageInitShape<typeof RequestRedirectSchema> {
  const { scheme, host, port, path, status } = redirect
  return {
    ...(scheme !== undefined && {
      scheme: {
        type: { case: 'registered', value: scheme === 'http' ? Scheme_Registered.HTTP : Scheme_Registered.HTTPS },
      },
    }),
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port }),
    ...(path && { path: pathEditMessage(path) }),
    status,
  }
}

export function pathEditMessage({ kind, value }: PathEdit): MessageInitShape<typeof PathModifierSchema> {
  return { replace: { case: kind, value } }
}

export function failureMessage({ status, message }: Failure): MessageInitShape<typeof HttpFailureInjectorSchema> {
  return { status, message }
}

export function ratioMessage({ numerator, denominator }: Ratio): MessageInitShape<typeof RatioSchema> {
  return { numerator, denominator }
}
