/**
 * The proxy's log: one line per event on standard output, filtered by target and level, changeable while it runs.
 *
 * Lines are sentences for an operator. Nothing from traffic is logged but addresses, names and identities, and those
 * without control characters, so that nobody forges a line.
 */
import { DEFAULT_LOG_FILTER, LEVELS, type Level, type LogFilter, levelFor, parseLogFilter } from './log-filter.ts'

export type LogFormat = 'plain' | 'json'

export interface LogOptions {
  readonly format: LogFormat
  readonly write: (line: string) => void
  /** Milliseconds since the process started: the time of a line. */
  readonly uptimeMs: () => number
}

/** A peer can cause lines (refused connections); beyond this rate they are counted and left out. */
export const MAX_LINES_PER_SECOND = 500

/** Filters are prefixes: with this one `linkerd=debug` means the proxy, as users are used to. */
const ROOT_TARGET = 'linkerd_proxy'

/** What all loggers of a process share. */
class LogState {
  readonly options: LogOptions
  filter: LogFilter
  /** Grows with each change of the filter. */
  generation = 0
  #second = 0
  #lines = 0
  #suppressed = 0

  constructor(options: LogOptions, filter: LogFilter) {
    this.options = options
    this.filter = filter
  }

  write(level: Level, target: string, message: string): void {
    const { uptimeMs } = this.options
    const nowMs = uptimeMs()
    const second = Math.floor(nowMs / 1_000)
    if (second !== this.#second) {
      const suppressed = this.#suppressed
      this.#second = second
      this.#lines = 0
      this.#suppressed = 0
      if (suppressed > 0) this.#line('warn', ROOT_TARGET, `${suppressed} log lines were left out`, nowMs)
    }
    if (++this.#lines > MAX_LINES_PER_SECOND) this.#suppressed++
    else this.#line(level, target, message, nowMs)
  }

  #line(level: Level, target: string, message: string, nowMs: number): void {
    const { format, write } = this.options
    const text = message.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, ' ')
    const time = (nowMs / 1_000).toFixed(6).padStart(13)
    if (format === 'json') {
      write(
        `${JSON.stringify({ timestamp: `[${time}s]`, level: level.toUpperCase(), fields: { message: text }, target })}\n`,
      )
    } else {
      write(`[${time}s] ${level.toUpperCase().padStart(5)} ${target}: ${text}\n`)
    }
  }
}

export class Logger {
  readonly #state: LogState
  readonly #target: string
  #generation = -1
  #level = 0

  constructor(state: LogState, target: string) {
    this.#state = state
    this.#target = target
  }

  /** @param filter already checked by `parseLogFilter` */
  static create(options: LogOptions, filter: LogFilter): Logger {
    return new Logger(new LogState(options, filter), ROOT_TARGET)
  }

  /** A logger for one part of the proxy: its lines and filters name it. */
  child(part: string): Logger {
    return new Logger(this.#state, `${this.#target}::${part}`)
  }

  /** The filter in force, as it was written. */
  get filter(): string {
    return this.#state.filter.text
  }

  /** Changes the filter of every logger; returns what is wrong with it, and then changes nothing. */
  setFilter(text: string): string | undefined {
    const filter = parseLogFilter(text)
    if ('problem' in filter) return filter.problem
    this.#state.filter = filter
    this.#state.generation++
    return undefined
  }

  /** For lines that are costly to build. */
  isEnabled(level: Exclude<Level, 'off'>): boolean {
    if (this.#generation !== this.#state.generation) {
      this.#generation = this.#state.generation
      this.#level = LEVELS.indexOf(levelFor(this.#state.filter, this.#target))
    }
    return LEVELS.indexOf(level) <= this.#level
  }

  error(message: string): void {
    this.log('error', message)
  }

  warn(message: string): void {
    this.log('warn', message)
  }

  info(message: string): void {
    this.log('info', message)
  }

  debug(message: string): void {
    this.log('debug', message)
  }

  log(level: Exclude<Level, 'off'>, message: string): void {
    if (this.isEnabled(level)) this.#state.write(level, this.#target, message)
  }
}

/** The logger of a configured proxy, to standard output. */
export function createLogger({ filter, format }: { readonly filter: LogFilter; readonly format: LogFormat }): Logger {
  const write = (line: string): void => void process.stdout.write(line)
  return Logger.create({ format, write, uptimeMs: () => performance.now() }, filter)
}

/** The logger until the configuration is read. */
export function startLogger(): Logger {
  return createLogger({ filter: parseLogFilter(DEFAULT_LOG_FILTER) as LogFilter, format: 'plain' })
}
