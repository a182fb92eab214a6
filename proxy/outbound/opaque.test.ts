import { test } from 'tap'
import type { Transport } from '../http/transport.ts'
import type { ConnectError } from '../io/connector.ts'
import { EndpointLoad } from '../policy/balance/endpoint-load.ts'
import type { Backend, BackendWaiter } from './backend.ts'
import type { Endpoint } from './endpoint.ts'
import { openOpaque } from './opaque.ts'

/** A backend of one endpoint, or of none yet, whose connections the test makes and breaks. */
class Bed {
  readonly load = new EndpointLoad(0)
  readonly connects: { onConnected(transport: Transport): void; onFailed(error: ConnectError): void }[] = []
  cancelled = 0
  isReady = true
  waiter: BackendWaiter | undefined = undefined
  heard = ''
  readonly #endpoint = {
    load: this.load,
    connectOpaque: (onConnected: (transport: Transport) => void, onFailed: (error: ConnectError) => void) => {
      this.connects.push({ onConnected, onFailed })
      return { cancel: () => void this.cancelled++ }
    },
  } as unknown as Endpoint

  open(): { cancel(): void } {
    const backend = {
      pick: () => (this.isReady ? this.#endpoint : undefined),
      wait: (waiter: BackendWaiter) => {
        this.waiter = waiter
        return true
      },
    } as unknown as Backend
    return openOpaque(backend, () => 0)(
      () => {
        this.heard = 'open'
      },
      (error) => {
        this.heard = error
      },
    )
  }

  fail(): void {
    this.connects.at(-1)!.onFailed({ kind: 'refused', message: 'connection refused' })
  }
}

test('opening an opaque connection', async (t) => {
  t.test('tries three times', async (t) => {
    const bed = new Bed()
    bed.open()
    bed.fail()
    bed.fail()
    t.equal(bed.heard, '')
    bed.fail()
    t.equal(bed.heard, 'i/o')
    t.equal(bed.connects.length, 3)
    t.equal(bed.load.inFlight, 0)
  })

  t.test('given up while it connects, it is no load any more', async (t) => {
    const bed = new Bed()
    const opening = bed.open()
    t.equal(bed.load.inFlight, 1)
    opening.cancel()
    opening.cancel()
    t.equal(bed.load.inFlight, 0)
    t.equal(bed.cancelled, 1)
    t.equal(bed.heard, '')
  })

  t.test('given up once it is open: nothing happens', async (t) => {
    const bed = new Bed()
    const opening = bed.open()
    bed.connects[0]!.onConnected({} as Transport)
    opening.cancel()
    t.equal(bed.heard, 'open')
    t.equal(bed.load.inFlight, 0)
    t.equal(bed.cancelled, 0)
  })

  t.test('waits for an endpoint, until it is given up or the backend fails', async (t) => {
    const bed = new Bed()
    bed.isReady = false
    bed.open()
    bed.isReady = true
    bed.waiter!.onEndpointReady()
    t.equal(bed.connects.length, 1)

    const other = new Bed()
    other.isReady = false
    other.open()
    other.waiter!.onFailFast()
    t.equal(other.heard, 'failfast')

    const third = new Bed()
    third.isReady = false
    third.open().cancel()
    t.ok(third.waiter!.isAbandoned)
  })
})
