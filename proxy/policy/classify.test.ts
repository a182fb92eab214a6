import { test } from 'tap'
import { classify, isGrpcContentType, NO_GRPC_STATUS, parseGrpcStatus } from './classify.ts'
import type { ResponseClass } from './profile.ts'

const failures: ResponseClass[] = [{ condition: { kind: 'status', min: 500, max: 599 }, isFailure: true }]
const teapot: ResponseClass[] = [
  {
    condition: {
      kind: 'any',
      of: [
        { kind: 'status', min: 418, max: 418 },
        { kind: 'status', min: 404, max: 404 },
      ],
    },
    isFailure: true,
  },
  {
    condition: {
      kind: 'all',
      of: [
        { kind: 'status', min: 500, max: 599 },
        { kind: 'not', of: { kind: 'status', min: 500, max: 500 } },
      ],
    },
    isFailure: false,
  },
]

test('classify', async (t) => {
  const cases: { name: string; args: Parameters<typeof classify>; is: string }[] = [
    { name: 'HTTP 200', args: [200, false, NO_GRPC_STATUS, []], is: 'success' },
    { name: 'HTTP 404 is an answer', args: [404, false, NO_GRPC_STATUS, []], is: 'success' },
    { name: 'HTTP 500', args: [500, false, NO_GRPC_STATUS, []], is: 'failure' },
    { name: 'HTTP 599', args: [599, false, NO_GRPC_STATUS, []], is: 'failure' },
    { name: 'a grpc-status in plain HTTP does not count', args: [200, false, 14, []], is: 'success' },
    { name: 'gRPC without a status ended in order', args: [200, true, NO_GRPC_STATUS, []], is: 'success' },
    { name: 'a response class makes an answer a failure', args: [404, false, NO_GRPC_STATUS, teapot], is: 'failure' },
    { name: 'a response class forgives', args: [503, false, NO_GRPC_STATUS, teapot], is: 'success' },
    { name: 'no class matches: the HTTP rule', args: [500, false, NO_GRPC_STATUS, teapot], is: 'failure' },
    { name: 'no class matches, but there is a grpc-status', args: [200, false, 13, failures], is: 'failure' },
    { name: 'a class comes before grpc-status', args: [503, true, 0, failures], is: 'failure' },
  ]
  for (const { name, args, is } of cases) t.equal(classify(...args), is, name)
  const failing = [2, 4, 7, 13, 14, 15]
  for (let code = 0; code <= 17; code++) {
    t.equal(classify(200, true, code, []), failing.includes(code) ? 'failure' : 'success', `grpc-status ${code}`)
  }
})

test('parseGrpcStatus', async (t) => {
  const cases: [string | undefined, number][] = [
    [undefined, NO_GRPC_STATUS],
    ['0', 0],
    ['14', 14],
    ['', 2],
    ['x', 2],
    ['-1', 2],
    ['4294967298', 2],
    ['100', 100],
  ]
  for (const [value, status] of cases) t.equal(parseGrpcStatus(value), status, `${value}`)
})

test('isGrpcContentType', async (t) => {
  t.ok(isGrpcContentType('application/grpc'))
  t.ok(isGrpcContentType('application/grpc+proto'))
  t.notOk(isGrpcContentType('application/json'))
  t.notOk(isGrpcContentType(undefined))
})
