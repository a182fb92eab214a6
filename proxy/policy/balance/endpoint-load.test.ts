import { test } from 'tap'
import { EndpointLoad } from './endpoint-load.ts'

test('a penalty counts like a slow answer, and never makes an endpoint look faster', async (t) => {
  const load = new EndpointLoad(0)
  t.notOk(load.isMeasured)
  load.penalise(5_000, 0)
  t.ok(load.isMeasured, 'an endpoint that only fails is compared by its penalty')
  t.equal(load.at(0), 5_000)
  load.penalise(100, 0)
  t.equal(load.at(0), 5_000)
})
