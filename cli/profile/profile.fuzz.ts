/** OpenAPI and protobuf documents broken at random: routes, or one sentence with file and line. Never another error. */
import { ok } from 'node:assert/strict'
import { compileAnchoredPattern } from '../../api/regex.ts'
import { mutateText, pick } from '../../test/fuzz/draw.ts'
import { fuzzer } from '../../test/fuzz/fuzzer.ts'
import { routesOfOpenApi } from './open-api.ts'
import { type Generated, SourceError } from './profile.ts'
import { routesOfProto } from './proto.ts'

const PROTO = `syntax = "proto3"; // a
package shop.v1;
import "x.proto";
option java_package = "a";
message M { string a = 1 [deprecated = true]; oneof k { int32 b = 2; } }
service Stock {
  option deprecated = true;
  // x-linkerd-retryable: true
  // x-linkerd-timeout: 300ms
  rpc Get(M) returns (stream .shop.v1.M);
  rpc Put(stream M) returns (M) { option idempotency_level = IDEMPOTENT; option (x) = { a: "}" }; }
}
/* end */
`
const OPEN_API = `openapi: 3.0.0
paths:
  /a/{id}:
    get: &g
      x-linkerd-retryable: true
      x-linkerd-timeout: 300ms
      responses: { 200: {}, '404': {}, default: {}, 5XX: {} }
    post: *g
  x-a: 1
`
const SWAGGER =
  '{"swagger":"2.0","basePath":"/v1","paths":{"/b":{"put":{"responses":{"500":{}}},"x-linkerd-timeout":"1s"}}}'
const PIECES = [
  '{',
  '}',
  '(',
  ')',
  '[',
  ']',
  ';',
  ':',
  '"',
  "'",
  '/',
  '/*',
  '*/',
  '//',
  '\n',
  '  ',
  '- ',
  '*g',
  '&g ',
  '<<: *g',
  '? ',
  '|',
  '>',
  '!!binary x',
  'null',
  '__proto__: {}',
  '700',
  '-1',
  '{id',
  'rpc ',
  'service S {',
  'package ',
  'returns',
  'stream ',
  '\\',
  '\0',
  'é',
  '\t',
  'x-linkerd-timeout: 1',
  '"x-linkerd-timeout":"1y"',
  '%',
  '@',
  '`',
  '*g: *g',
]

export const profileSourcesFuzzer = fuzzer<string>({
  name: 'profile-sources',
  checks: 'OpenAPI and .proto files: routes whose expressions compile, or a sentence with file and line',
  cases: 600,
  generate: (random) => pick(random, [PROTO, OPEN_API, SWAGGER]),
  mutate: (random, text) => mutateText(random, text, PIECES, 4, 200),
  run(text) {
    for (const read of [routesOfProto, routesOfOpenApi]) {
      const generated = outcome(() => read(text, 'api.txt'))
      for (const { pathRegex, statusCodes } of generated?.routes ?? []) {
        const pattern = compileAnchoredPattern(pathRegex)
        // Only ASCII is supported in expressions, and not without end.
        if ('problem' in pattern) ok(/not ASCII|longer than/.test(pattern.problem), pattern.problem)
        ok(statusCodes.every((code) => code >= 100 && code <= 599))
      }
      for (const note of generated?.notes ?? []) ok(/^api\.txt:\d+: ./.test(note), note)
    }
  },
})

function outcome(read: () => Generated): Generated | undefined {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof SourceError)) throw error
    ok(/^api\.txt:\d+: ./.test(error.message), error.message)
    return undefined
  }
}
