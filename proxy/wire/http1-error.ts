/** An HTTP/1 message that cannot be read (RFC 9112); `status` is the answer a client gets for it. */
export class Http1Error extends Error {
  override name = 'Http1Error'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}
