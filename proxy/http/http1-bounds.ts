/**
 * What one HTTP/1 connection holds at most. Received content that was not consumed: beyond the first bound the connection
 * is not read, below the second it is again. Pipelined requests behind the one in progress: beyond the third it is not
 * read either.
 */
export const HTTP1_BOUNDS = {
  pauseAboveBytes: 65_536,
  resumeBelowBytes: 32_768,
  maxPipelinedBytes: 65_536,
  /**
   * Responses of a client that pipelines and does not read: so many bytes may wait in the kernel to be sent and as many
   * here, then its next request waits. Otherwise thousands of them are served, since the kernel takes megabytes.
   */
  maxUnsentBytes: 16_384,
  /** Reads that one head may come in; more is 408: each costs a system call and a copy of what came before. */
  maxHeadReads: 256,
  /** 1xx responses before the final one; more is a bad response. */
  maxInformational: 64,
} as const
