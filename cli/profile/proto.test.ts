import { test } from 'tap'
import { routesOfProto } from './proto.ts'

const inService = (body: string) => `syntax = "proto3";\npackage shop.v1;\nservice Cart {\n${body}\n}`

test('routesOfProto', async (t) => {
  const cases = [
    {
      name: 'name and path of an rpc, the dot of the package quoted',
      text: inService('rpc AddItem(Item) returns (Cart);'),
      routes: ['AddItem /shop\\.v1\\.Cart/AddItem'],
    },
    { name: 'without package', text: 'service S { rpc A(B) returns (C); }', routes: ['A /S/A'] },
    {
      name: 'several services, in order',
      text: 'service B { rpc X(M) returns (M); } service A { rpc Y(M) returns (M); rpc W(M) returns (M) {} }',
      routes: ['X /B/X', 'Y /A/Y', 'W /A/W'],
    },
    {
      name: 'streams are rpcs like others',
      text: inService('rpc A(stream .google.protobuf.Empty) returns (stream shop.v1.Item) {}'),
      routes: ['A /shop\\.v1\\.Cart/A'],
    },
    {
      name: 'a message called stream',
      text: inService('rpc A(stream) returns (stream);'),
      routes: ['A /shop\\.v1\\.Cart/A'],
    },
    {
      name: 'idempotency levels',
      text: inService(`rpc A(M) returns (M) { option idempotency_level = IDEMPOTENT; }
        rpc B(M) returns (M) { option (idempotency_level) = NO_SIDE_EFFECTS; };
        rpc C(M) returns (M) { option idempotency_level = IDEMPOTENCY_UNKNOWN; }`),
      routes: ['A /shop\\.v1\\.Cart/A retryable', 'B /shop\\.v1\\.Cart/B retryable', 'C /shop\\.v1\\.Cart/C'],
    },
    {
      name: 'other options, with braces and strings, are passed over',
      text: inService(`option deprecated = true;
        rpc A(M) returns (M) {
          option (google.api.http) = { get: "/v1/}{" additional_bindings { post: "/x;" } };
          option (a.b).c = -1.5e3;
          option idempotency_level = IDEMPOTENT;
        }`),
      routes: ['A /shop\\.v1\\.Cart/A retryable'],
    },
    {
      name: 'messages, enums, imports and extensions are passed over',
      text: `import "a.proto"; message M { message N { int32 rpc = 1; } oneof o { string service = 2; } }
        enum E { A = 0; } extend google.protobuf.MethodOptions { string x = 5; };
        service S { rpc A(M) returns (M); }`,
      routes: ['A /S/A'],
    },
    {
      name: 'comments above an rpc',
      text: inService(
        '// Adds.\n// x-linkerd-retryable: true\n// x-linkerd-timeout: 300ms\nrpc A(M) returns (M);\nrpc B(M) returns (M);',
      ),
      routes: ['A /shop\\.v1\\.Cart/A retryable timeout=300ms', 'B /shop\\.v1\\.Cart/B'],
    },
    {
      name: 'a comment behind an rpc is this one’s and not the next one’s',
      text: inService('rpc A(M) returns (M); // x-linkerd-timeout: 1s\nrpc B(M) returns (M);'),
      routes: ['A /shop\\.v1\\.Cart/A timeout=1s', 'B /shop\\.v1\\.Cart/B'],
    },
    {
      name: 'block comments, and comments between the braces',
      text: inService('/**\n * x-linkerd-retryable: true\n */\nrpc A(M) returns (M) {\n  // x-linkerd-timeout: 2s\n}'),
      routes: ['A /shop\\.v1\\.Cart/A retryable timeout=2s'],
    },
    {
      name: 'the comment beats the option',
      text: inService('// x-linkerd-retryable: false\nrpc A(M) returns (M) { option idempotency_level = IDEMPOTENT; }'),
      routes: ['A /shop\\.v1\\.Cart/A'],
    },
    { name: 'a service without rpcs', text: 'service S {}', routes: [] },
  ]
  for (const { name, text, routes } of cases) {
    t.same(
      routesOfProto(text, 'a.proto').routes.map(({ name, pathRegex, isRetryable, timeout }) =>
        [name, pathRegex, ...(isRetryable ? ['retryable'] : []), ...(timeout ? [`timeout=${timeout}`] : [])].join(' '),
      ),
      routes,
      name,
    )
  }
})

test('what is not protobuf is refused with file and line', async (t) => {
  const cases = [
    { name: 'no service', text: 'message M {}', message: /^a\.proto:1: no service is defined here/ },
    { name: 'nothing', text: '', message: /^a\.proto:1: no service is defined here/ },
    { name: 'an rpc without types', text: 'service S {\n  rpc A;\n}', message: 'a.proto:2: expected "(" before ";"' },
    {
      name: 'returns missing',
      text: 'service S {\n rpc A(B)\n (C); }',
      message: 'a.proto:3: expected "returns" before "("',
    },
    {
      name: 'a service that does not end',
      text: 'service S {\n rpc A(B) returns (C);\n',
      message: /^a\.proto:2: the file ends/,
    },
    {
      name: 'a string that does not end',
      text: 'import "a;\n',
      message: 'a.proto:1: a string does not end on its line',
    },
    { name: 'a comment that does not end', text: '\n/* a', message: /^a\.proto:2: a "\/" that begins no comment/ },
    { name: 'a brace too many', text: 'message M {} }', message: /^a\.proto:1: a } closes nothing/ },
    {
      name: 'retryable that is neither',
      text: inService('// x-linkerd-retryable: yes\nrpc A(M) returns (M);'),
      message: 'a.proto:4: rpc A: x-linkerd-retryable "yes" is neither true nor false',
    },
    {
      name: 'a timeout that is no duration',
      text: inService('// x-linkerd-timeout: 3\nrpc A(M) returns (M);'),
      message: 'a.proto:4: rpc A: x-linkerd-timeout "3" is not a duration; write one such as 300ms or 10s',
    },
  ]
  for (const { name, text, message } of cases) t.throws(() => routesOfProto(text, 'a.proto'), { message }, name)
})
