/**
 * Which log lines are wanted: `warn,linkerd=info,linkerd_proxy::outbound=debug,[{headers}]=off`.
 *
 * The longest target that begins a line's target decides. Directives on spans (`[…]`) are read and have no effect:
 * there are no spans, and what they switch off by default (request headers) is never logged.
 */
export const LEVELS = ['off', 'error', 'warn', 'info', 'debug', 'trace'] as const
export type Level = (typeof LEVELS)[number]

export interface LogFilter {
  /** As it was written. */
  readonly text: string
  /** Longest target first; the default has the empty target. */
  readonly directives: readonly { readonly target: string; readonly level: Level }[]
}

export const DEFAULT_LOG_FILTER = 'warn,linkerd=info,hickory=error'

/** The filter, or one sentence about what is wrong with the text. */
export function parseLogFilter(text: string): LogFilter | { readonly problem: string } {
  const directives: { target: string; level: Level }[] = []
  for (const directive of text.split(',').map((part) => part.trim())) {
    if (directive === '') continue
    const [, target, span, level] = /^([\w:.-]*)(\[[^\]]*\])?(?:=(\w+))?$/.exec(directive) ?? []
    if (target === undefined) return { problem: `"${directive}" is not a log directive such as linkerd=debug` }
    const isLevelAlone = span === undefined && level === undefined && levelOf(target) !== undefined
    const wanted = isLevelAlone ? levelOf(target) : level === undefined ? 'trace' : levelOf(level)
    if (wanted === undefined) return { problem: `"${level}" in "${directive}" is not one of ${LEVELS.join(', ')}` }
    if (span === undefined) directives.push({ target: isLevelAlone ? '' : target, level: wanted })
  }
  // Of two directives for one target the later one counts.
  directives.reverse().sort((a, b) => b.target.length - a.target.length)
  return { text, directives }
}

/** The most verbose level that is logged for `target`. */
export function levelFor({ directives }: LogFilter, target: string): Level {
  return directives.find((directive) => target.startsWith(directive.target))?.level ?? 'off'
}

function levelOf(text: string): Level | undefined {
  const lowerCase = text.toLowerCase()
  return LEVELS.find((level, index) => level === lowerCase || `${index}` === text)
}
