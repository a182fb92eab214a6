import { test } from 'tap'
import { applyPatch, type JsonPatchOperation, PatchedDocument } from './json-patch.ts'

test('applyPatch, RFC 6902', async (t) => {
  const cases: readonly { name: string; document: unknown; patch: JsonPatchOperation[]; gives: unknown }[] = [
    { name: 'adds a member', document: { a: 1 }, patch: [{ op: 'add', path: '/b', value: 2 }], gives: { a: 1, b: 2 } },
    {
      name: 'add replaces a member',
      document: { a: 1 },
      patch: [{ op: 'add', path: '/a', value: 2 }],
      gives: { a: 2 },
    },
    { name: 'inserts an element', document: [1, 3], patch: [{ op: 'add', path: '/1', value: 2 }], gives: [1, 2, 3] },
    { name: 'appends an element', document: [1], patch: [{ op: 'add', path: '/-', value: 2 }], gives: [1, 2] },
    {
      name: 'escaped names',
      document: { 'a/b': { '~': 1 } },
      patch: [{ op: 'replace', path: '/a~1b/~0', value: 2 }],
      gives: { 'a/b': { '~': 2 } },
    },
    { name: 'removes', document: { a: [1, 2] }, patch: [{ op: 'remove', path: '/a/0' }], gives: { a: [2] } },
    {
      name: 'in order',
      document: {},
      patch: [
        { op: 'add', path: '/a', value: {} },
        { op: 'add', path: '/a/b', value: 1 },
      ],
      gives: { a: { b: 1 } },
    },
  ]
  for (const { name, document, patch, gives } of cases) {
    const before = JSON.stringify(document)
    t.same(applyPatch(document, patch), gives, name)
    t.equal(JSON.stringify(document), before, `${name}: the document itself stays`)
  }

  const wrong: readonly JsonPatchOperation[] = [
    { op: 'add', path: '/missing/a', value: 1 },
    { op: 'add', path: '/list/3', value: 1 },
    { op: 'add', path: '/list/01', value: 1 },
    { op: 'replace', path: '/missing', value: 1 },
    { op: 'remove', path: '/list/1' },
    { op: 'remove', path: '' },
  ]
  for (const operation of wrong) t.throws(() => applyPatch({ list: [1] }, [operation]), RangeError, operation.path)
})

test('a member called __proto__ is a member like any other', async (t) => {
  const patched = applyPatch({ labels: {} as Record<string, string> }, [
    { op: 'add', path: '/labels/__proto__', value: 'x' },
  ])
  t.equal(JSON.stringify(patched), '{"labels":{"__proto__":"x"}}')
  t.equal(Object.getPrototypeOf(patched.labels), Object.prototype)
})

test('ensure', async (t) => {
  const patched = new PatchedDocument<unknown>({ a: null, b: {} })
  for (const name of ['a', 'b', 'c']) patched.ensure([name], {})
  t.same(patched.value, { a: {}, b: {}, c: {} })
  t.same(
    patched.patch.map(({ path }) => path),
    ['/a', '/c'],
    'null counts as missing, what is there does not',
  )
})
