import { test } from 'tap'
import { NO_TIMEOUTS, type RetryPolicy, type Timeouts } from '../policy/outbound-policy.ts'
import { MAX_TIMER_MS } from '../policy/timer-limit.ts'
import { Head } from '../wire/head.ts'
import { overridden } from './overrides.ts'
import type { PlannedRoute, RetryPlan, RoutePlan } from './route-plan.ts'

const POLICY: RetryPolicy = {
  maxRetries: 3,
  maxRequestBytes: 1_000,
  statuses: [{ min: 503, max: 503 }],
  grpcCodes: 1 << 14,
  timeoutMs: 70,
  backoff: undefined,
}
const TIMEOUTS: Timeouts = { ...NO_TIMEOUTS, requestMs: 1_000, responseMs: 500, idleMs: 200 }

function routeWith(retry: RetryPlan | undefined): PlannedRoute {
  return {
    match: undefined,
    plan: { name: 'r', timeouts: TIMEOUTS, retry, allowsOverrides: true } as unknown as RoutePlan,
  }
}

const withRetries = routeWith({ kind: 'policy', policy: POLICY, maxRequestBytes: POLICY.maxRequestBytes })
const withoutRetries = routeWith(undefined)

function apply(fields: Record<string, string>, route = withRetries) {
  const head = new Head()
  head.add('accept', 'a')
  for (const [name, value] of Object.entries(fields)) head.add(`l5d-${name}`, value)
  const { plan, ignoredFields } = overridden(route, head)
  const left = Array.from({ length: head.count }, (_, at) => at).filter((at) => !head.isDropped(at))
  return {
    timeouts: plan.timeouts,
    policy: policyOf(plan.retry),
    ignoredFields,
    left: left.map((at) => head.nameAt(at)),
  }
}

function policyOf(retry: RetryPlan | undefined): RetryPolicy | undefined {
  return retry?.kind === 'policy' ? retry.policy : undefined
}

test('each field overrides one value of the policy', async (t) => {
  const cases: {
    name: string
    fields: Record<string, string>
    timeouts?: Partial<Timeouts>
    retry?: Partial<RetryPolicy>
    ignored?: number
  }[] = [
    { name: 'a request timeout', fields: { 'request-timeout': '2s' }, timeouts: { requestMs: 2_000 } },
    { name: 'its short form', fields: { timeout: '20ms' }, timeouts: { requestMs: 20 } },
    {
      name: 'the long one wins',
      fields: { timeout: '20ms', 'request-timeout': '1m' },
      timeouts: { requestMs: 60_000 },
    },
    {
      name: 'unless it is wrong',
      fields: { timeout: '20ms', 'request-timeout': '1 m' },
      timeouts: { requestMs: 20 },
      ignored: 1,
    },
    { name: 'a response timeout', fields: { 'response-timeout': '1h' }, timeouts: { responseMs: 3_600_000 } },
    { name: 'zero is no limit', fields: { 'response-timeout': '0s' }, timeouts: { responseMs: undefined } },
    { name: 'more than a timer can', fields: { timeout: '99999d' }, timeouts: { requestMs: MAX_TIMER_MS } },
    ...['', '5', 's', '-1s', '1.5s', '5 s', '1s1s', '1000000000000000s'].map((value) => ({
      name: `"${value}" is no duration`,
      fields: { timeout: value },
      ignored: 1,
    })),
    { name: 'how often', fields: { 'retry-limit': '0' }, retry: { maxRetries: 0 } },
    ...['', 'x', '-1', '65536', '1e3'].map((value) => ({
      name: `"${value}" is no number of retries`,
      fields: { 'retry-limit': value },
      ignored: 1,
    })),
    { name: 'how long', fields: { 'retry-timeout': '1s' }, retry: { timeoutMs: 1_000 } },
    {
      name: 'which statuses',
      fields: { 'retry-http': '5xx, gateway-error,429,400-404' },
      retry: {
        statuses: [
          { min: 500, max: 599 },
          { min: 502, max: 504 },
          { min: 429, max: 429 },
          { min: 400, max: 404 },
        ],
      },
    },
    {
      name: 'unknown conditions are left out',
      fields: { 'retry-http': '4xx,500,504-500,99,600' },
      retry: { statuses: [{ min: 500, max: 500 }] },
      ignored: 1,
    },
    { name: 'none that is known', fields: { 'retry-http': 'often', 'retry-grpc': '__proto__' }, ignored: 2 },
    { name: 'which codes', fields: { 'retry-grpc': 'Internal,cancelled' }, retry: { grpcCodes: (1 << 13) | (1 << 1) } },
    {
      name: 'too many conditions',
      fields: { 'retry-http': Array.from({ length: 33 }, () => '500').join(',') },
      retry: { statuses: Array.from({ length: 32 }, () => ({ min: 500, max: 500 })) },
      ignored: 1,
    },
  ]
  for (const { name, fields, timeouts, retry, ignored = 0 } of cases) {
    t.same(
      apply(fields),
      {
        timeouts: { ...TIMEOUTS, ...timeouts },
        policy: { ...POLICY, ...retry },
        ignoredFields: ignored,
        left: ['accept'],
      },
      name,
    )
  }
})

test('a route without retries gets some of its own', async (t) => {
  t.match(apply({ 'retry-http': '503' }, withoutRetries).policy, {
    maxRetries: 1,
    maxRequestBytes: 65_536,
    statuses: [{ min: 503, max: 503 }],
    backoff: { minMs: 25, maxMs: 250, jitter: 1 },
  })
  t.equal(apply({ timeout: '1s' }, withoutRetries).policy, undefined, 'not by other fields')
  t.equal(apply({ 'retry-limit': 'many' }, withoutRetries).policy, undefined, 'nor by one that is wrong')
})

test('a request without such fields has the plan of its route', async (t) => {
  t.equal(overridden(withRetries, new Head()), withRetries)
})
