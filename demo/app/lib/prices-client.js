/** The HTTP client of `prices`, on undici with a small pool of kept-alive connections. */
import { Pool } from 'undici'

const CONNECTIONS = 16
const TIMEOUT_MS = 5_000

export class Prices {
  #pool

  constructor(url) {
    this.#pool = new Pool(url, { connections: CONNECTIONS, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS })
  }

  price(itemId) {
    return this.#request('GET', `/v1/prices/${encodeURIComponent(itemId)}`)
  }

  quote(lines) {
    return this.#request('POST', '/v1/quotes', { lines })
  }

  order(lines) {
    return this.#request('POST', '/v1/orders', { lines })
  }

  close() {
    return this.#pool.close()
  }

  async #request(method, path, content) {
    const { statusCode, body } = await this.#pool.request({
      method,
      path,
      ...(content === undefined
        ? {}
        : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(content) }),
    })
    // The body is read also when it is not wanted: an unread one would keep its connection from the next request.
    const answer = await body.text()
    if (statusCode >= 300) throw new Error(`prices answered ${method} ${path} with ${statusCode}`)
    return JSON.parse(answer)
  }
}
