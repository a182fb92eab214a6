/**
 * What the tables of HTTP/1 requests have in common. `{id}` stands for the case in targets; a target that ends with
 * `-smuggled` is one the client never meant.
 */

export type Http1Outcome =
  /** Answered with this status, and the connection closed; the origin gets no complete request. */
  | { readonly refused: number }
  /** The origin gets exactly these requests, as `METHOD target "content"`. `closes`: the connection ends behind them. */
  | { readonly forwards: readonly string[]; readonly closes?: true }

export interface Http1Case {
  readonly name: string
  readonly bytes: string
  readonly outcome: Http1Outcome
  /** What the first request's head at the origin must have, and must not. */
  readonly has?: RegExp
  readonly hasNot?: RegExp
}

export const GET = 'GET /{id} HTTP/1.1\r\nHost: web\r\n'
export const POST = 'POST /{id} HTTP/1.1\r\nHost: web\r\n'
export const SMUGGLED = 'GET /{id}-smuggled HTTP/1.1\r\nHost: web\r\n\r\n'
export const CHUNKED = 'Transfer-Encoding: chunked\r\n'
export const refused = { refused: 400 } as const
export const plainGet = { forwards: ['GET /{id} ""'] } as const
export const hello = { forwards: ['POST /{id} "hello"'] } as const
