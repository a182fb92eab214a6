/** A client that asks for much and does not read it, and what its neighbours get meanwhile. */

import { Agent, get } from 'node:http'
import { connect } from 'node:http2'
import { into } from './http.ts'
import { inParallel, Summary, type SummaryReport } from './summary.ts'

export interface SlowReader {
  /** Answers with `bytes` bytes. */
  readonly bulkUrl: string
  readonly bytes: number
  /** Answers at once. */
  readonly smallUrl: string
  readonly smallCount: number
}

export interface SlowReaderReport {
  readonly neighbours: SummaryReport
  /** What had come for the slow reader when its neighbours were done. */
  readonly readBefore: number
  readonly readInTheEnd: number
}

/** All on one HTTP/2 connection. */
export async function slowReaderHttp2(options: SlowReader): Promise<SlowReaderReport> {
  const { bulkUrl, bytes, smallUrl, smallCount } = options
  const url = new URL(bulkUrl)
  const session = connect(url.origin)
  const bulk = session.request({ ':path': url.pathname + url.search })
  await new Promise((resolve, reject) => {
    bulk.once('response', resolve)
    bulk.once('error', reject)
  })
  let read = 0
  const summary = new Summary()
  await inParallel(smallCount, 8, async () => {
    const { pathname, search } = new URL(smallUrl)
    const stream = session.request({ ':path': pathname + search })
    let status = 0
    stream.on('response', (headers) => {
      status = Number(headers[':status'])
    })
    let body = ''
    try {
      for await (const chunk of stream.setEncoding('utf8') as AsyncIterable<string>) body += chunk
      if (status === 200) summary.success((JSON.parse(body) as { pod: string }).pod)
      else summary.failure(`${status} ${body}`)
    } catch (error) {
      summary.failure((error as Error).message)
    }
  })
  const readBefore = read
  for await (const chunk of bulk as AsyncIterable<Buffer>) read += chunk.length
  session.close()
  if (read !== bytes) throw new Error(`${read} of ${bytes} bytes came`)
  return { neighbours: summary.report(), readBefore, readInTheEnd: read }
}

/** On HTTP/1 connections of their own, which the proxies carry on one between them. */
export async function slowReaderHttp1(options: SlowReader): Promise<SlowReaderReport> {
  const { bulkUrl, bytes, smallUrl, smallCount } = options
  const pool = new Agent({ keepAlive: true })
  const bulk = await new Promise<AsyncIterable<Buffer>>((resolve, reject) => {
    get(bulkUrl, { agent: pool }, resolve).on('error', reject)
  })
  let read = 0
  const summary = new Summary()
  await inParallel(smallCount, 8, () => into(summary, { url: smallUrl }, pool))
  const readBefore = read
  for await (const chunk of bulk) read += chunk.length
  pool.destroy()
  if (read !== bytes) throw new Error(`${read} of ${bytes} bytes came`)
  return { neighbours: summary.report(), readBefore, readInTheEnd: read }
}
