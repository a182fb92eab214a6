/**
 * `request_total`, `response_total` and `response_latency_ms` of one endpoint (and `route_*`, `control_*`, which have the
 * same shape): found once per connection and route, then a few additions per request.
 */
import { type Classification, NO_GRPC_STATUS } from '../policy/classify.ts'
import type { Family } from './family.ts'
import { type Counter, type Histogram, joinLabels, type LabelPairs, renderLabels } from './metrics.ts'

/** Of the three, `latency` is missing for attempts of profile routes. */
export interface RequestFamilies {
  readonly requests: Family<Counter>
  readonly responses: Family<Counter>
  readonly latency: Family<Histogram> | undefined
}

/** Milliseconds. */
export const LATENCY_BOUNDS_MS: readonly number[] = [
  1, 2, 3, 4, 5, 10, 20, 30, 40, 50, 100, 200, 300, 400, 500, 1_000, 2_000, 3_000, 4_000, 5_000, 10_000, 20_000, 30_000,
  40_000, 50_000,
]

/** Different (status, class, gRPC status, error) of one endpoint; what a peer invents beyond is counted as one of them. */
const MAX_RESPONSE_KINDS = 100

interface ResponseSeries {
  readonly responses: Counter
  readonly latency: Histogram | undefined
}

export class RequestMetrics {
  readonly #families: RequestFamilies
  readonly #labels: string
  #requests: Counter | undefined = undefined
  // By one number, since nearly all responses end in order; by text when they end in an error.
  readonly #ended = new Map<number, ResponseSeries>()
  readonly #failed = new Map<string, ResponseSeries>()
  #lastKey = -1
  #last: ResponseSeries | undefined = undefined

  /** @param labels rendered endpoint labels */
  constructor(families: RequestFamilies, labels: string) {
    this.#families = families
    this.#labels = labels
  }

  onRequest(): void {
    // Joins its family with the first request: an endpoint of opaque traffic has no HTTP series.
    this.#requests ??= this.#families.requests.child(this.#labels)
    this.#requests.value++
  }

  /**
   * A response ended.
   *
   * @param status 0 when no response head was seen
   * @param grpcStatus `NO_GRPC_STATUS` when the exchange was not gRPC
   * @param error '' when it ended in order, else `timeout`, `h2(CANCEL)`, `unclassified`
   */
  onResponse(
    status: number,
    classification: Classification,
    grpcStatus: number,
    error: string,
    latencyMs: number,
  ): void {
    const series =
      error === '' ? this.#seriesOf(status, classification, grpcStatus) : this.#errorSeriesOf(status, error)
    series.responses.value++
    series.latency?.observe(latencyMs)
  }

  #seriesOf(status: number, classification: Classification, grpcStatus: number): ResponseSeries {
    // Codes above 16 are not gRPC's; clients read them as UNKNOWN.
    const code = grpcStatus > 16 ? 2 : grpcStatus
    const key = (status * 32 + code + 1) * 2 + (classification === 'failure' ? 1 : 0)
    if (key === this.#lastKey) return this.#last!
    let series = this.#ended.get(key)
    if (series === undefined) {
      series =
        this.#ended.size < MAX_RESPONSE_KINDS ? this.#make(status, classification, code, '') : this.#any(this.#ended)
      if (this.#ended.size < MAX_RESPONSE_KINDS) this.#ended.set(key, series)
    }
    this.#lastKey = key
    this.#last = series
    return series
  }

  #errorSeriesOf(status: number, error: string): ResponseSeries {
    const key = `${status} ${error}`
    const known = this.#failed.get(key)
    if (known !== undefined) return known
    if (this.#failed.size >= MAX_RESPONSE_KINDS) return this.#any(this.#failed)
    const made = this.#make(status, 'failure', NO_GRPC_STATUS, error)
    this.#failed.set(key, made)
    return made
  }

  #any<K>(series: Map<K, ResponseSeries>): ResponseSeries {
    return series.values().next().value!
  }

  #make(status: number, classification: Classification, grpcStatus: number, error: string): ResponseSeries {
    const statusLabel: LabelPairs = status === 0 ? [] : [['status_code', `${status}`]]
    const response = renderLabels([
      ...statusLabel,
      ['classification', classification],
      ['grpc_status', grpcStatus === NO_GRPC_STATUS ? '' : `${grpcStatus}`],
      ['error', error],
    ])
    const latency = error === '' ? renderLabels(statusLabel) : ''
    return {
      responses: this.#families.responses.child(joinLabels(this.#labels, response)),
      latency: this.#families.latency?.child(joinLabels(this.#labels, latency)),
    }
  }
}
