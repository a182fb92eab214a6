/**
 * The longest time a timer of Node can wait, almost 25 days. A longer one would fire after a millisecond, so whatever
 * enters the proxy (the environment's `365d`, a policy) is cut here: nobody can tell the difference.
 */
export const MAX_TIMER_MS = 2 ** 31 - 1
