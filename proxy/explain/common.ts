/** What explanations of both directions need. */
import type { ProxyError } from '../http/error-response.ts'
import { isGrpcContentType } from '../policy/classify.ts'
import { HeadView } from '../policy/request-view.ts'
import { type Head, Version } from '../wire/head.ts'
import { token } from '../wire/tokens.ts'
import type { Outcome, RequestSummary } from './explanation.ts'

/** How long an explanation waits for what discovery has not told yet. */
export const DISCOVERY_DEADLINE_MS = 3_000

/** Nothing that fails for a share of requests fails: the share is told beside it. */
export const NO_LUCK = (): number => 1 - Number.EPSILON

const CONTENT_TYPE = token('content-type')

export function summaryOf(head: Head): RequestSummary {
  const { method, path, query, authority } = new HeadView(head)
  const isHttp2 = head.version === Version.http2
  return {
    method,
    path: query === '' ? path : `${path}?${query}`,
    ...(authority !== undefined && { authority }),
    protocol: isHttp2 ? 'HTTP/2' : 'HTTP/1',
    isGrpc: isHttp2 && isGrpcContentType(head.get(CONTENT_TYPE)),
  }
}

/** An answer of the proxy itself, as the client would see it. */
export function answerOutcome(
  { error, fields }: { readonly error: ProxyError; readonly fields?: Outcome['fields'] | undefined },
  isGrpc: boolean,
): Outcome {
  return {
    action: 'answer',
    status: isGrpc ? 200 : error.status,
    ...(isGrpc && { grpcStatus: error.grpcCode }),
    ...(fields && { fields }),
    message: error.message,
  }
}

/** Whether `begin` called back in time. */
export function within(ms: number, begin: (done: () => void) => void): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ms)
    begin(() => {
      clearTimeout(timer)
      resolve(true)
    })
  })
}
