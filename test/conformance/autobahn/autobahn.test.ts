import t, { test } from 'tap'
import { type Autobahn, findAutobahn, isAsGood, isOutOfTime } from './autobahn.ts'
import { compare, describe } from './doors.ts'

const INSTALL_AND_RUN_MS = 480_000
/** On a busy machine; half a minute where the cores are free. */
const RUN_MS = 240_000
/**
 * Frames, pings, reserved bits, opcodes, fragments, UTF-8, closing handshakes, and one case each of large messages and
 * compression. All of 9, 12 and 13 takes many minutes: `npm run conformance -- autobahn`.
 */
const CASES = [
  ...['1.*', '2.*', '3.*', '4.*', '5.*', '6.1.*', '6.2.*', '6.3.*', '6.4.*', '6.22.*', '7.*', '10.*'],
  ...['9.1.1', '9.2.1', '9.5.1', '12.1.1', '13.1.1', '13.7.1'],
]

t.setTimeout(INSTALL_AND_RUN_MS)

test('a verdict is compared', async (t) => {
  const verdict = (behavior: string, behaviorClose = 'OK') => ({ behavior, behaviorClose })
  const cases = [
    { with: verdict('OK'), without: verdict('OK'), isAsGood: true },
    { with: verdict('OK'), without: verdict('NON-STRICT'), isAsGood: true },
    { with: verdict('NON-STRICT'), without: verdict('OK'), isAsGood: false },
    { with: verdict('FAILED'), without: verdict('FAILED'), isAsGood: true },
    { with: verdict('OK', 'UNCLEAN'), without: verdict('OK'), isAsGood: false },
    { with: verdict('FAILED'), without: verdict('INFORMATIONAL'), isAsGood: true },
    { with: verdict('something new'), without: verdict('OK'), isAsGood: false },
    { with: undefined, without: verdict('OK'), isAsGood: false },
  ]
  for (const c of cases)
    t.equal(isAsGood(c.with, c.without), c.isAsGood, `${c.with?.behavior} for ${c.without.behavior}`)
})

test('a case is told with its reason', async (t) => {
  const ok = { behavior: 'OK', behaviorClose: 'OK' }
  const late = { behavior: 'FAILED', behaviorClose: 'OK', reason: 'Case did not finish within 480 seconds.' }
  t.equal(
    describe({ id: '12.2.15', direct: ok, oneProxy: late, twoProxies: undefined, isAsGood: false }),
    '12.2.15: OK without the mesh, FAILED (closing: OK) [Case did not finish within 480 seconds.] behind one proxy, not run behind two',
  )
  t.equal(isOutOfTime(late), true)
  t.equal(isOutOfTime({ ...late, reason: 'Actual events differ from any expected.' }), false)
  t.equal(isOutOfTime(ok), false)
})

const autobahn = await findAutobahn()

test('Autobahn, as good behind the mesh as without it', {
  skip: typeof autobahn === 'string' ? autobahn : false,
}, async (t) => {
  const compared = await compare(autobahn as Autobahn, CASES, RUN_MS)
  t.ok(compared.length > 150, `${compared.length} cases ran`)
  t.same(compared.filter(({ isAsGood }) => !isAsGood).map(describe), [])
  t.ok(compared.filter(({ direct }) => direct.behavior === 'OK').length > 140, 'the echo server itself is sound')
})
