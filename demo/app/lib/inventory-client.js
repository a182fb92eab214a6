/**
 * The gRPC client of `inventory`: one channel, so one long-lived connection. Spread over replicas happens
 * where the service name leads, not here.
 */
import grpc from '@grpc/grpc-js'
import protoLoader from '@grpc/proto-loader'

const DEADLINE_MS = 5_000

const definition = protoLoader.loadSync(new URL('../../proto/inventory.proto', import.meta.url).pathname)
const { Inventory: InventoryStub } = grpc.loadPackageDefinition(definition).shop.inventory.v1

const deadline = () => ({ deadline: Date.now() + DEADLINE_MS })

export class Inventory {
  #stub

  constructor(address) {
    this.#stub = new InventoryStub(address, grpc.credentials.createInsecure())
  }

  getStock(request) {
    return this.#unary('getStock', request)
  }

  reserve(request) {
    return this.#unary('reserve', request)
  }

  /** Server stream: every update, in order. */
  async watchStock(request) {
    const updates = []
    for await (const update of this.#stub.watchStock(request, deadline())) updates.push(update)
    return updates
  }

  /** Client stream: all deliveries, one summary. */
  restock(deliveries) {
    return new Promise((resolve, reject) => {
      const call = this.#stub.restock(deadline(), (error, summary) => (error ? reject(error) : resolve(summary)))
      for (const delivery of deliveries) call.write(delivery)
      call.end()
    })
  }

  /** Both ways: what was counted goes in, what differs comes back. */
  async audit(counted) {
    const call = this.#stub.audit(deadline())
    for (const item of counted) call.write(item)
    call.end()
    const differences = []
    for await (const difference of call) differences.push(difference)
    return differences
  }

  close() {
    this.#stub.close()
  }

  #unary(method, request) {
    return new Promise((resolve, reject) => {
      this.#stub[method](request, deadline(), (error, reply) => (error ? reject(error) : resolve(reply)))
    })
  }
}
