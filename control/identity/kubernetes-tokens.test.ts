import { test } from 'tap'
import { KubernetesTokens } from './kubernetes-tokens.ts'

const AUDIENCE = 'identity.l5d.io'
const username = 'system:serviceaccount:shop:web'

test('a token is good for its audience and a service account only', async (t) => {
  const refused = { ok: false, kind: 'unauthenticated' }
  const cases: readonly { name: string; status: object; says: object }[] = [
    {
      name: 'good',
      status: { authenticated: true, audiences: [AUDIENCE], user: { username } },
      says: { ok: true, namespace: 'shop', serviceAccount: 'web' },
    },
    { name: 'not authenticated', status: { error: 'expired', user: {} }, says: refused },
    { name: 'a server without audiences', status: { authenticated: true, user: { username } }, says: refused },
    {
      name: 'another audience',
      status: { authenticated: true, audiences: ['api'], user: { username } },
      says: { ...refused, reason: /not made for the audience identity/ },
    },
    {
      name: 'a person',
      status: { authenticated: true, audiences: [AUDIENCE], user: { username: 'admin' } },
      says: { ...refused, reason: /service account/ },
    },
  ]
  for (const { name, status, says } of cases) {
    const sent: unknown[] = []
    const post = async (path: string, body: object) => {
      sent.push(path, body)
      return { status }
    }
    t.match(await new KubernetesTokens({ post }).review(Buffer.from('abc\n'), AUDIENCE), says, name)
    t.match(sent[1], { kind: 'TokenReview', spec: { token: 'abc', audiences: [AUDIENCE] } })
  }
})

test('what is no token is not asked about, what is no answer is no judgement', async (t) => {
  const tokens = new KubernetesTokens({ post: async () => ({ message: 'x' }) })
  t.match(await tokens.review(Buffer.from(' '), AUDIENCE), { ok: false, kind: 'malformed' })
  await t.rejects(tokens.review(Buffer.from('abc'), AUDIENCE), /not a TokenReview/)
})
