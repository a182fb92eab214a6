/**
 * Stream states and transitions (RFC 9113 §5.1). The two reserved states are absent on purpose: the proxy never pushes
 * and refuses to be pushed to. A new rule is a new cell, never an `if` elsewhere.
 */
export const StreamState = { idle: 0, open: 1, halfClosedLocal: 2, halfClosedRemote: 3, closed: 4 } as const
export type StreamState = (typeof StreamState)[keyof typeof StreamState]

export const StreamEvent = {
  sendHeaders: 0,
  recvHeaders: 1,
  sendData: 2,
  recvData: 3,
  sendEnd: 4,
  recvEnd: 5,
  sendReset: 6,
  recvReset: 7,
} as const
export type StreamEvent = (typeof StreamEvent)[keyof typeof StreamEvent]

const { open, halfClosedLocal, halfClosedRemote, closed } = StreamState
const never = undefined

// biome-ignore format: a table to hold against the RFC
const TRANSITIONS: readonly (readonly (StreamState | undefined)[])[] = [
  // sendHeaders     recvHeaders      sendData          recvData         sendEnd          recvEnd           sendReset  recvReset
  [open,             open,            never,            never,           never,           never,            never,     never],  // idle
  [open,             open,            open,             open,            halfClosedLocal, halfClosedRemote, closed,    closed], // open
  [never,            halfClosedLocal, never,            halfClosedLocal, never,           closed,           closed,    closed], // halfClosedLocal
  [halfClosedRemote, never,           halfClosedRemote, never,           closed,          never,            closed,    closed], // halfClosedRemote
  [never,            never,           never,            never,           never,           never,            closed,    closed], // closed
]

/** The state after `event`, or `undefined` where the RFC forbids it; the caller picks the error code. */
export function nextState(state: StreamState, event: StreamEvent): StreamState | undefined {
  return TRANSITIONS[state]![event]
}
