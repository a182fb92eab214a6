/** The loads of a pair of proxies: one line each, with what they may cost against the peer. */
import { BULK_BYTES, KB_BYTES, KB16_BYTES, MESSAGE_BYTES, ORIGINS, type Origin } from './origin-ports.ts'

export type LoadKind = 'h1' | 'h2' | 'grpc' | 'tcp' | 'connect'

/** What a load generator is told. */
export interface LoadSpec {
  readonly kind: LoadKind
  readonly connections: number
  /** At a time on each connection. */
  readonly streams?: number
  /** Content of a request, or length of a message. */
  readonly bodyBytes?: number
  /** gRPC: each way on one stream. */
  readonly messages?: number
}

export interface BenchCase {
  readonly name: string
  /** For people: what it is, without the name. */
  readonly about: string
  readonly load: LoadSpec
  readonly origin: Origin
  /** What CPU is divided by. */
  readonly unit: 'request' | 'message' | 'GB'
  /** Upper bound for the CPU of both proxies divided by that of the peer's two. */
  readonly maxCpuRatio?: number
  /** Lower bound for the requests per second divided by the peer's. */
  readonly minRateRatio?: number
}

const h1 = (connections: number, bodyBytes = 0): LoadSpec => ({ kind: 'h1', connections, bodyBytes })
const h2 = (connections: number, streams: number, bodyBytes = 0): LoadSpec => ({
  kind: 'h2',
  connections,
  streams,
  bodyBytes,
})
const grpc = (messages: number): LoadSpec => ({
  kind: 'grpc',
  connections: 4,
  streams: 32,
  bodyBytes: MESSAGE_BYTES,
  messages,
})

export const CASES: readonly BenchCase[] = [
  {
    name: 'h2-4x32',
    about: 'HTTP/2, 4 connections × 32 streams, GET, 64 bytes back',
    load: h2(4, 32),
    origin: ORIGINS.h2,
    unit: 'request',
    maxCpuRatio: 0.8,
    minRateRatio: 1.2,
  },
  {
    name: 'h2-64x1',
    about: 'HTTP/2, 64 × 1, GET, 64 bytes back',
    load: h2(64, 1),
    origin: ORIGINS.h2,
    unit: 'request',
    maxCpuRatio: 1.15,
  },
  {
    name: 'h1-64',
    about: 'HTTP/1.1, 64 kept-alive connections, GET, 64 bytes back',
    load: h1(64),
    origin: ORIGINS.h1,
    unit: 'request',
    maxCpuRatio: 1.2,
  },
  {
    name: 'h1-1k',
    about: 'HTTP/1.1, 64 connections, 1 KB each way',
    load: h1(64, KB_BYTES),
    origin: ORIGINS.h1Kb,
    unit: 'request',
    maxCpuRatio: 1.25,
  },
  {
    name: 'h1-16k',
    about: 'HTTP/1.1, 64 connections, 16 KB each way',
    load: h1(64, KB16_BYTES),
    origin: ORIGINS.h1Kb16,
    unit: 'request',
    maxCpuRatio: 1.25,
  },
  {
    name: 'h2-1k',
    about: 'HTTP/2, 4 × 32, 1 KB each way',
    load: h2(4, 32, KB_BYTES),
    origin: ORIGINS.h2Kb,
    unit: 'request',
  },
  {
    name: 'h2-16k',
    about: 'HTTP/2, 4 × 32, 16 KB each way',
    load: h2(4, 32, KB16_BYTES),
    origin: ORIGINS.h2Kb16,
    unit: 'request',
  },
  {
    name: 'grpc-unary',
    about: 'gRPC, 4 × 32 unary calls, one message of 128 bytes each way',
    load: grpc(1),
    origin: ORIGINS.grpc,
    unit: 'message',
  },
  {
    name: 'grpc-stream',
    about: 'gRPC, 4 × 32 streams of 100 messages of 128 bytes each way',
    load: grpc(100),
    origin: ORIGINS.grpc,
    unit: 'message',
    maxCpuRatio: 0.8,
  },
  {
    name: 'h2-bulk',
    about: 'HTTP/2, 4 × 2, 1 MB each way',
    load: h2(4, 2, BULK_BYTES),
    origin: ORIGINS.h2Bulk,
    unit: 'GB',
    maxCpuRatio: 1.2,
  },
  {
    name: 'h1-bulk',
    about: 'HTTP/1.1, 8 connections, 1 MB each way',
    load: h1(8, BULK_BYTES),
    origin: ORIGINS.h1Bulk,
    unit: 'GB',
    maxCpuRatio: 1.2,
  },
  {
    name: 'tcp-bulk',
    about: 'opaque TCP, 4 connections, 1 MB out and then back',
    load: { kind: 'tcp', connections: 4, bodyBytes: BULK_BYTES },
    origin: ORIGINS.tcp,
    unit: 'GB',
    maxCpuRatio: 1.2,
  },
]
