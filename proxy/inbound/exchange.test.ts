import { test } from 'tap'
import type { ClientStream, ServerStream } from '../http/stream.ts'
import type { ConnectError } from '../io/connector.ts'
import type { StreamWaiter } from '../io/http-clients.ts'
import { Head, Version } from '../wire/head.ts'
import { InboundExchange } from './exchange.ts'

/** One request with content, and an application that cannot be reached until it can. */
function bed() {
  const waiters: StreamWaiter[] = []
  const answers: number[] = []
  const sent: string[] = []
  const downstream = {
    version: Version.http2,
    sendHead: (head: Head) => answers.push(head.status),
    sendData: (_buf: Uint8Array, start: number, end: number) => end - start,
    consumed() {},
    reset() {},
  } as unknown as ServerStream
  const upstream = {
    sendHead: (_head: Head, endStream: boolean) => sent.push(`head${endStream ? ', end' : ''}`),
    sendData(buf: Buffer, start: number, end: number, endStream: boolean) {
      sent.push(`${buf.toString('latin1', start, end)}${endStream ? ', end' : ''}`)
      return end - start
    },
    reset() {},
  } as unknown as ClientStream
  const nothing = { onRequest() {}, onResponse() {} } as never
  const head = new Head()
  head.version = Version.http2
  head.add(':method', 'POST')
  const exchange = new InboundExchange(
    {
      clients: {
        open: (_carriage: number, waiter: StreamWaiter) => void waiters.push(waiter),
        hasRefused: false,
      } as never,
      metrics: nothing,
      route: nothing,
      isInformational: true,
      nowMs: () => 0,
      onError() {},
      onEnded() {},
    },
    head,
    false,
    downstream,
    false,
    undefined,
  )
  exchange.start(head)
  exchange.onRequestData(Buffer.from('content'), 0, 7, true)
  const fail = (kind: ConnectError['kind']): void => waiters.shift()!.onStreamFailed({ kind, message: 'no connection' })
  return { waiters, answers, sent, fail, upstream }
}

test('a connection to the application that times out is tried again', async (t) => {
  const { waiters, answers, sent, fail, upstream } = bed()
  fail('timeout')
  fail('timeout')
  t.same(answers, [])
  waiters.shift()!.onStreamOpen(upstream)
  t.same(sent, ['head', 'content, end'], 'the whole request, once')
})

test('not for ever', async (t) => {
  const { waiters, answers, fail } = bed()
  for (let tries = 0; tries < 3; tries++) fail('timeout')
  t.same(answers, [504])
  t.same(waiters, [])
})

test('one that is refused is not', async (t) => {
  const { waiters, answers, fail } = bed()
  fail('refused')
  t.same(answers, [502])
  t.same(waiters, [])
})
