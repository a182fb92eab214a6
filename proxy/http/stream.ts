/**
 * What one request looks like to the assembly, whatever HTTP version carries it.
 *
 * A connection that accepts requests makes `ServerStream`s, one that sends them makes `ClientStream`s. The assembly
 * (inbound/, outbound/) is the handler of both: it hears what one side receives and tells the other side to send it.
 * Bytes in a call are valid only during the call.
 */
import type { Head, Version } from '../wire/head.ts'
import type { StreamError } from './stream-error.ts'

/** The sending half of a stream, and the credit of its receiving half. */
interface Sender {
  /** Sends the message head. The stream does not keep `head`. */
  sendHead(head: Head, endStream: boolean): void
  /**
   * Sends content; copies what cannot leave yet.
   * @returns bytes that left at once; for the others `…Sent` is called on the handler when they leave
   */
  sendData(buf: Uint8Array, start: number, end: number, endStream: boolean): number
  /** Ends the message with trailers. */
  sendTrailers(trailers: Head): void
  /** Gives up the stream; HTTP/2 sends RST_STREAM with `code`, HTTP/1 closes the connection unless all was sent. */
  reset(code: number): void
  /** Tells the peer that `bytes` of received content were passed on: opens the flow-control window again. */
  consumed(bytes: number): void
}

/** One request that was received: hears the request, sends the response. */
export interface ServerStream extends Sender {
  readonly version: Version
  handler: RequestHandler
  /** Sends a 1xx response (RFC 9110 §15.2). */
  sendInformational(head: Head): void
  /** After a 101 or a 2xx to CONNECT was sent: what follows in both directions is raw bytes. */
  becomeTunnel(): void
}

/** One request that is being sent: sends the request, hears the response. */
export interface ClientStream extends Sender {
  readonly version: Version
  handler: ResponseHandler
  /** After a 101 or a 2xx to CONNECT was received: what follows in both directions is raw bytes. */
  becomeTunnel(): void
}

/** Hears the receiving half of a `ServerStream`. After `onRequestReset` nothing follows. */
export interface RequestHandler {
  onRequestData(buf: Uint8Array, start: number, end: number, endStream: boolean): void
  onRequestTrailers(trailers: Head): void
  onRequestReset(error: StreamError): void
  /** `bytes` that `sendData` had kept back have left. */
  onResponseSent(bytes: number): void
}

/** Hears the receiving half of a `ClientStream`. After `onResponseReset` nothing follows. */
export interface ResponseHandler {
  onInformational(head: Head): void
  onResponseHead(head: Head, endStream: boolean): void
  onResponseData(buf: Uint8Array, start: number, end: number, endStream: boolean): void
  onResponseTrailers(trailers: Head): void
  onResponseReset(error: StreamError): void
  /** `bytes` that `sendData` had kept back have left. */
  onRequestSent(bytes: number): void
}

/** Takes a new request: returns who hears the rest of it. `head` is valid only during the call. */
export type RequestListener = (head: Head, endStream: boolean, stream: ServerStream) => RequestHandler
