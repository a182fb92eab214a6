/** The little that the demo's HTTP servers share: reading a body with a bound, answering JSON. */
import { isDraining } from './lifecycle.js'

/** No request of the demo carries more; above it the answer is 413. */
const MAX_BODY_BYTES = 65_536

export class BadRequest extends Error {
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

/** The request's JSON body. Throws `BadRequest` when there is none. */
export async function readJson(request) {
  let length = 0
  const chunks = []
  for await (const chunk of request) {
    length += chunk.length
    if (length > MAX_BODY_BYTES) throw new BadRequest(413, `the body is longer than ${MAX_BODY_BYTES} bytes`)
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString())
  } catch {
    throw new BadRequest(400, 'the body is not JSON')
  }
}

export function sendJson(response, status, value) {
  const body = `${JSON.stringify(value)}\n`
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...(isDraining() ? { connection: 'close' } : {}),
  })
  response.end(body)
}
