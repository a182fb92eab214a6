/**
 * A command of `weft` as a value: it is given its arguments and streams and returns its exit code, so a test just
 * calls it. `cli/` parses the arguments by `options` and prints `summary` and `usage` where help is asked for.
 */
import type { Readable, Writable } from 'node:stream'
import type { ParseArgsConfig } from 'node:util'

export interface Command {
  readonly name: string
  /** One line of the list of commands. */
  readonly summary: string
  /** What stands behind `weft` on the usage line. */
  readonly usage: string
  /** As `parseArgs` of node:util takes them. */
  readonly options: CommandOptions
  run(call: CommandCall): Promise<number>
}

export type CommandOptions = NonNullable<ParseArgsConfig['options']>

export interface CommandCall {
  readonly values: CommandValues
  readonly positionals: readonly string[]
  readonly stdin: Readable
  readonly stdout: Writable
  readonly stderr: Writable
}

export type CommandValues = { readonly [option: string]: string | boolean | (string | boolean)[] | undefined }
