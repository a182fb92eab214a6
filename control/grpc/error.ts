/** Errors that a client is meant to see, and how handlers report them. */
import { status } from './status.ts'

/** An answer with a status other than OK. The message goes to the client, so it never contains a secret. */
export class GrpcError extends Error {
  override readonly name = 'GrpcError'
  readonly code: status

  constructor(code: status, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** What the client is told: a GrpcError as it is, anything else only that something failed here. */
export function toStatus(error: unknown): { readonly code: status; readonly message: string } {
  if (error instanceof GrpcError) return error
  return { code: status.INTERNAL, message: 'internal error; see the log of the control plane' }
}

/** A unary handler from a function that returns the answer or throws; `onError` hears of what was not meant. */
export function unary<Req, Res>(
  answer: (request: Req) => Res | Promise<Res>,
  onError: (error: unknown) => void,
): (request: Req) => Promise<Res> {
  return async (request) => {
    try {
      return await answer(request)
    } catch (error) {
      if (!(error instanceof GrpcError)) onError(error)
      throw error
    }
  }
}
