/** A public conformance suite as `npm run conformance` runs it: longer, or more often, than the tests do. */
export interface Suite {
  readonly name: string
  readonly usage: string
  /**
   * @param args what follows the suite's name on the command line
   * @param say takes one line of progress or result
   * @returns whether everything passed
   * @throws Error with a sentence for wrong arguments, or where the suite cannot be had
   */
  run(args: readonly string[], say: (line: string) => void): Promise<boolean>
}
