/**
 * HTTP/1 requests that two readers could read in two ways: the published families of request smuggling, and the ways
 * beside them.
 */
import { ACCEPTED_CASES } from './http1-accepted-cases.ts'
import type { Http1Case } from './http1-case.ts'
import { CODING_CASES } from './http1-coding-cases.ts'
import { HEAD_CASES } from './http1-head-cases.ts'
import { LENGTH_CASES } from './http1-length-cases.ts'

export const HTTP1_CASES: readonly Http1Case[] = [...CODING_CASES, ...LENGTH_CASES, ...HEAD_CASES, ...ACCEPTED_CASES]
