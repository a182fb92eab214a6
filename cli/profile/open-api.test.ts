import { test } from 'tap'
import { pathRegex, routesOfOpenApi } from './open-api.ts'
import { SourceError } from './profile.ts'

test('pathRegex quotes what a regular expression would read and opens the placeholders', async (t) => {
  const cases = [
    { name: 'a plain path', path: '/v1/prices', regex: '/v1/prices' },
    { name: 'a placeholder is one segment', path: '/v1/{shelf}/books', regex: '/v1/[^/]*/books' },
    {
      name: 'a dot behind a placeholder is a dot',
      path: '/v1/shelves/{shelf}/books/{id}.json',
      regex: '/v1/shelves/[^/]*/books/[^/]*\\.json',
    },
    { name: 'metacharacters', path: '/a+b(x)', regex: '/a\\+b\\(x\\)' },
    { name: 'placeholders side by side', path: '/{p}{q}', regex: '/[^/]*[^/]*' },
    { name: 'a brace that does not close', path: '/{p', regex: '/\\{p' },
    { name: 'a slash at the end stays', path: '/a/', regex: '/a/' },
  ]
  for (const { name, path, regex } of cases) t.equal(pathRegex(path), regex, name)
})

test('routesOfOpenApi', async (t) => {
  const cases = [
    {
      name: 'paths are sorted, methods come in their order, TRACE is none',
      text: 'paths: {/b: {put: {}, get: {}, trace: {}}, /a: {post: {}, delete: {}}}',
      routes: ['DELETE /a', 'POST /a', 'GET /b', 'PUT /b'],
    },
    {
      name: 'basePath of Swagger 2 comes first',
      text: 'basePath: /v1/\npaths: {/a: {get: {}}}',
      routes: ['GET /v1/a'],
    },
    { name: 'slashes in front are one', text: 'paths: {//a: {get: {}}}', routes: ['GET /a'] },
    {
      name: 'servers of OpenAPI 3 are not read',
      text: 'servers: [{url: /v2}]\npaths: {/a: {get: {}}}',
      routes: ['GET /a'],
    },
    {
      name: 'a path without slash is left out, and said',
      text: 'paths: {a: {get: {}}, /b: {get: {}}}',
      routes: ['GET /b'],
      notes: ['api.yaml:1: the path "a" does not begin with / and is left out'],
    },
    {
      name: 'retryable and timeout',
      text: 'paths: {/a: {get: {x-linkerd-retryable: true, x-linkerd-timeout: 1m30s}}}',
      routes: ['GET /a retryable timeout=1m30s'],
    },
    { name: 'retryable false', text: 'paths: {/a: {get: {x-linkerd-retryable: false}}}', routes: ['GET /a'] },
    {
      name: 'retryable as a string is not read, and said',
      text: 'paths:\n  /a:\n    get:\n      x-linkerd-retryable: "true"',
      routes: ['GET /a'],
      notes: ['api.yaml:4: GET /a: x-linkerd-retryable is not read; write true or false without quotes'],
    },
    {
      name: 'extensions beside the operations are not read, and said',
      text: 'paths:\n  /a:\n    x-linkerd-retryable: true\n    get: {}',
      routes: ['GET /a'],
      notes: ['api.yaml:3: x-linkerd-retryable beside the operations of /a is not read; move it into an operation'],
    },
    {
      name: 'status codes ascend; default and ranges are not codes',
      text: "paths: {/a: {get: {responses: {'503': {}, 200: {}, default: {}, 5XX: {}}}}}",
      routes: ['GET /a 200,503'],
    },
    { name: 'JSON', text: '{"paths": {"/a": {"get": {"responses": {"200": {}}}}}}', routes: ['GET /a 200'] },
    {
      name: 'an alias stands for what it names',
      text: 'x: &ok {get: {x-linkerd-retryable: true}}\npaths: {/a: *ok}',
      routes: ['GET /a retryable'],
    },
  ]
  for (const { name, text, routes, notes = [] } of cases) {
    const generated = routesOfOpenApi(text, 'api.yaml')
    t.same(
      generated.routes.map(({ name, isRetryable, timeout, statusCodes }) =>
        [
          name,
          ...(isRetryable ? ['retryable'] : []),
          ...(timeout === undefined ? [] : [`timeout=${timeout}`]),
          ...(statusCodes.length === 0 ? [] : [statusCodes.join()]),
        ].join(' '),
      ),
      routes,
      name,
    )
    t.same(generated.notes, notes, `${name}: notes`)
  }
})

test('what is no OpenAPI document is refused with file, line and remedy', async (t) => {
  const cases = [
    { name: 'no YAML', text: 'paths:\n  /a: [', message: /^api\.yaml:2: this is neither YAML nor JSON: / },
    { name: 'a list', text: '- a', message: /^api\.yaml:1: this is not an OpenAPI document/ },
    { name: 'nothing', text: '', message: /^api\.yaml:1: this is not an OpenAPI document/ },
    { name: 'no paths', text: 'openapi: 3.0.0', message: /^api\.yaml:1: the OpenAPI document has no "paths"/ },
    { name: 'a path twice', text: 'paths:\n  /a: {}\n  /a: {}', message: /^api\.yaml:3: .*unique/ },
    {
      name: 'a path without operations',
      text: 'paths:\n  /a: 3',
      message: /^api\.yaml:2: the path \/a has no operations/,
    },
    {
      name: 'an operation that is none',
      text: 'paths:\n  /a:\n    get: 3',
      message: /^api\.yaml:3: GET \/a: expected an op/,
    },
    {
      name: 'a timeout that is no duration',
      text: 'paths:\n  /a:\n    get:\n      x-linkerd-timeout: soon',
      message: /^api\.yaml:4: GET \/a: x-linkerd-timeout "soon" is not a duration; write one such as 300ms or 10s$/,
    },
    {
      name: 'a timeout that is a number',
      text: 'paths:\n  /a:\n    get:\n      x-linkerd-timeout: 3',
      message: /^api\.yaml:4: GET \/a: x-linkerd-timeout 3 is not a duration/,
    },
    {
      name: 'a status that is none',
      text: 'paths:\n  /a:\n    get:\n      responses:\n        700: {}',
      message: /^api\.yaml:5: GET \/a: 700 is not an HTTP status/,
    },
  ]
  for (const { name, text, message } of cases) {
    t.throws(() => routesOfOpenApi(text, 'api.yaml'), { message }, name)
    try {
      routesOfOpenApi(text, 'api.yaml')
    } catch (error) {
      t.type(error, SourceError, `${name}: an error of the source`)
    }
  }
})
