/** HTTP clients of the application, by address and port: an application listens on a handful. */
import type { HttpClients } from '../io/http-clients.ts'

export class AppClients {
  readonly #clients = new Map<string, HttpClients>()
  readonly #make: (ip: string, port: number) => HttpClients

  constructor(make: (ip: string, port: number) => HttpClients) {
    this.#make = make
  }

  get(ip: string, port: number): HttpClients {
    const key = `${ip} ${port}`
    let clients = this.#clients.get(key)
    if (clients === undefined) {
      clients = this.#make(ip, port)
      this.#clients.set(key, clients)
    }
    return clients
  }

  tick(at: number): void {
    for (const clients of this.#clients.values()) clients.tick(at)
  }

  close(): void {
    for (const clients of this.#clients.values()) clients.close()
  }
}
