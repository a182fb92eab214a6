/** The short run of a group of fuzzers: their corpora and a fixed number of cases by a fixed seed. */
import { test } from 'tap'
import { fuzzersOf, type Group } from './fuzzers.ts'
import { describeFailure, runFuzzer } from './run.ts'

const SEED = 20_220_606

export async function fuzzTests(group: Group): Promise<void> {
  for (const fuzzer of await fuzzersOf(group)) {
    test(`${fuzzer.name}, fuzzed: ${fuzzer.checks}`, async (t) => {
      const { executions, failure } = await runFuzzer(fuzzer, { seed: SEED, goesOn: (count) => count < fuzzer.cases })
      if (failure === undefined) t.pass(`${executions} cases`)
      else t.fail(describeFailure(fuzzer, failure))
    })
  }
}
