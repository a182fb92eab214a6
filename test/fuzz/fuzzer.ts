/**
 * What a fuzzer is: a value that makes inputs and checks one. The harness beside it draws, mutates, minimises and reports.
 *
 * Inputs are JSON values, so that one that failed can be printed, kept in `corpus/NAME.jsonl`, made smaller by rules that
 * know nothing of it, and run again. Bytes are latin1 strings. All chance comes from `random`: `run` itself has none.
 */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }
export type Random = () => number

export interface Fuzzer<Input extends Json = Json> {
  /** In kebab-case; also the name of its corpus. */
  readonly name: string
  /** One line: what is checked, against which oracle. */
  readonly checks: string
  /** How many cases the ordinary test run takes: a second or three of work. */
  readonly cases: number
  generate(random: Random): Input
  /** A variant of an input that was worth keeping; without it only `generate` is used. */
  mutate?(random: Random, input: Input): Input
  /** Throws what is wrong. Inputs from a minimiser may have any lengths and numbers, but the types that `generate` gives. */
  run(input: Input): void | Promise<void>
}

/** Forgets the type of the input, so that fuzzers of all kinds stand in one list. */
export function fuzzer<Input extends Json>(definition: Fuzzer<Input>): Fuzzer {
  return definition as unknown as Fuzzer
}
