import { test } from 'tap'
import { compileAnchoredPattern } from '../../api/regex.ts'
import { NO_PROFILE, type ProfileRoute, type RequestCondition, routesHttp, splitsOpaque } from './profile.ts'
import { findProfileRoute, needsRequest } from './profile-match.ts'

function path(source: string): RequestCondition {
  const pattern = compileAnchoredPattern(source)
  if ('problem' in pattern) throw new Error(pattern.problem)
  return { kind: 'path', pattern }
}

const method = (name: string): RequestCondition => ({ kind: 'method', method: name })

function route(name: string, condition: RequestCondition): ProfileRoute {
  return { name, labels: new Map(), condition, responseClasses: [], isRetryable: false, timeoutMs: undefined }
}

test('the first route whose condition holds wins', async (t) => {
  const profile = {
    ...NO_PROFILE,
    name: 'web.ns.svc.cluster.local',
    routes: [
      route('GET /books/{id}', { kind: 'all', of: [method('GET'), path('/books/[^/]+')] }),
      route('not get', { kind: 'not', of: method('GET') }),
      route('a or b', { kind: 'any', of: [path('/a'), path('/b')] }),
      route('never', { kind: 'any', of: [] }),
      route('rest', { kind: 'all', of: [] }),
    ],
  }
  const cases = [
    { request: ['GET', '/books/1'], name: 'GET /books/{id}' },
    { request: ['GET', '/books/1/x'], name: 'rest' },
    { request: ['POST', '/books/1'], name: 'not get' },
    { request: ['GET', '/b'], name: 'a or b' },
    { request: ['GET', '/bc'], name: 'rest' },
  ]
  for (const { request, name } of cases) {
    t.equal(findProfileRoute(profile, request[0]!, request[1]!)?.name, name, request.join(' '))
  }
  t.ok(needsRequest(profile))
  t.ok(routesHttp(profile))
  t.notOk(splitsOpaque(profile))
})

test('without routes nothing is looked at, and the policy stays in charge', async (t) => {
  t.equal(findProfileRoute(NO_PROFILE, 'GET', '/'), undefined)
  t.notOk(needsRequest(NO_PROFILE))
  t.notOk(routesHttp({ ...NO_PROFILE, routes: [route('r', method('GET'))] }), 'routes without a name are unused')
  t.ok(splitsOpaque({ ...NO_PROFILE, name: 'a', overrides: [{ authority: 'b:80', weight: 1 }] }))
})
