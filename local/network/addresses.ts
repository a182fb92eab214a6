/**
 * Addresses of the one-machine cluster. They exist only inside its own network namespaces.
 */
import { parseIp } from '../../api/ip.ts'

export const POD_NETWORK = '10.42.0.0/16'
export const SERVICE_NETWORK = '10.96.0.0/16'
/** The node's own address: what probes come from, `status.hostIP` of every pod. */
export const NODE_IP = '10.42.0.1'
/** Gateway of every pod: a link-local address that the node answers for on each of its links. */
export const GATEWAY_IP = '169.254.1.1'
export const DNS_IP = '10.96.0.10'
export const NODE_NAME = 'weft-local'

/** Hands out the addresses of a /16, each to one owner, and a freed one as late as possible. */
export class AddressPool {
  readonly #prefix: string
  readonly #owners = new Map<string, string>()
  readonly #addresses = new Map<string, string>()
  #next: number

  /** @param first number of the first address inside the /16 to hand out */
  constructor(network: string, first: number) {
    this.#prefix = network.split('.').slice(0, 2).join('.')
    this.#next = first
  }

  /** The address of `owner`: the one it has already, else the next free one; `undefined` when all are taken. */
  take(owner: string): string | undefined {
    const held = this.#addresses.get(owner)
    if (held !== undefined) return held
    for (let tries = 0; tries < 65_534; tries++) {
      const number = this.#next
      this.#next = number >= 65_534 ? 2 : number + 1
      const address = `${this.#prefix}.${number >> 8}.${number & 255}`
      if (!this.#owners.has(address) && this.reserve(address, owner) === undefined) return address
    }
    return undefined
  }

  /** Gives `owner` this very address. @returns why not, as the end of a sentence */
  reserve(address: string, owner: string): string | undefined {
    if (parseIp(address)?.length !== 4 || !address.startsWith(`${this.#prefix}.`)) {
      return `is not in ${this.#prefix}.0.0/16; leave it out to get one`
    }
    const holder = this.#owners.get(address)
    if (holder !== undefined && holder !== owner) return `belongs to ${holder} already; choose another or leave it out`
    this.release(owner)
    this.#owners.set(address, owner)
    this.#addresses.set(owner, address)
    return undefined
  }

  release(owner: string): void {
    const address = this.#addresses.get(owner)
    if (address === undefined) return
    this.#addresses.delete(owner)
    this.#owners.delete(address)
  }
}
