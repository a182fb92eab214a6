/** `inbound_{http,grpc}_requests_total` and its like, by Server and route: found once per connection and route. */
import { NO_GRPC_STATUS } from '../policy/classify.ts'
import type { Meta } from '../policy/meta.ts'
import { join, routeLabels } from './endpoint-labels.ts'
import type { InboundRouteFamilies } from './families.ts'
import type { Family } from './family.ts'
import { type Counter, type Histogram, renderLabels } from './metrics.ts'

/** Different statuses of one route; what a peer invents beyond is counted as one of them. */
const MAX_STATUSES = 100
/** Key of an exchange that ended in an error: its `status` is empty. */
const ERROR = -2

export class InboundRouteMetrics {
  readonly #statusFamily: Family<Counter>
  readonly #labels: string
  readonly #isGrpc: boolean = false
  readonly #requests: Counter
  readonly #duration: Histogram
  readonly #statuses = new Map<number, Counter>()

  /** @param isGrpc the Server's protocol is gRPC: `status` is the gRPC status */
  constructor(families: InboundRouteFamilies, isGrpc: boolean, server: Meta, port: number, route: Meta) {
    const parent = renderLabels([
      ['parent_group', server.group],
      ['parent_kind', server.kind],
      ['parent_name', server.name],
      ['parent_port', `${port}`],
    ])
    this.#labels = join(parent, routeLabels(route))
    this.#isGrpc = isGrpc
    this.#statusFamily = families.statuses
    this.#requests = families.requests.child(this.#labels)
    this.#duration = families.responseDuration.child(this.#labels)
  }

  onRequest(): void {
    this.#requests.value++
  }

  /** @param error '' when the exchange ended in order */
  onResponse(status: number, grpcStatus: number, error: string, durationMs: number): void {
    this.#duration.observe(durationMs / 1_000)
    this.#statusOf(error === '' ? (this.#isGrpc ? grpcStatus : status) : ERROR).value++
  }

  #statusOf(key: number): Counter {
    const known = this.#statuses.get(key)
    if (known !== undefined) return known
    if (this.#statuses.size >= MAX_STATUSES) return this.#statuses.values().next().value!
    const isEmpty = key === ERROR || key === NO_GRPC_STATUS
    const made = this.#statusFamily.child(join(this.#labels, renderLabels([['status', isEmpty ? '' : `${key}`]])))
    this.#statuses.set(key, made)
    return made
  }
}
