/** `POST /explain` of the admin port: a question in, what the proxy would do out, as JSON or for people. */
import type { Explanation } from './explanation.ts'
import { type InboundQuestion, type OutboundQuestion, readQuestion } from './question.ts'
import { explanationText } from './text.ts'

/** Each may wait for discovery; more at once are refused. */
export const MAX_AT_ONCE = 16

export interface Explained {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

export interface ExplainedDirections {
  readonly outbound: { explain(question: OutboundQuestion): Promise<Explanation> }
  readonly inbound: { explain(question: InboundQuestion): Promise<Explanation> }
}

export class Explainer {
  readonly #directions: ExplainedDirections
  #running = 0

  constructor(directions: ExplainedDirections) {
    this.#directions = directions
  }

  async explain(query: string, body: string): Promise<Explained> {
    const question = readQuestion(query, body)
    if (typeof question === 'string') return said(400, question)
    if (this.#running >= MAX_AT_ONCE) return said(503, `${MAX_AT_ONCE} explanations are being made; ask again`)
    this.#running++
    try {
      const { inbound, outbound } = this.#directions
      const explanation = await (question.direction === 'inbound'
        ? inbound.explain(question)
        : outbound.explain(question))
      if (new URLSearchParams(query).get('format') === 'text')
        return { status: 200, contentType: 'text/plain; charset=utf-8', body: explanationText(explanation) }
      return { status: 200, contentType: 'application/json', body: `${JSON.stringify(explanation)}\n` }
    } finally {
      this.#running--
    }
  }
}

function said(status: number, sentence: string): Explained {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${sentence}\n` }
}
