/** `npm run conformance -- SUITE [OPTIONS]`: see README.md in this folder. */
import { autobahnSuite } from './autobahn/suite.ts'
import { grpcSuite } from './grpc/suite.ts'
import { h2specSuite } from './h2spec/suite.ts'
import type { Suite } from './suite.ts'
import { toolsSuite } from './tools.ts'

const SUITES: readonly Suite[] = [h2specSuite, grpcSuite, autobahnSuite, toolsSuite]

async function main([name, ...args]: readonly string[]): Promise<number> {
  const suite = SUITES.find((suite) => suite.name === name)
  if (suite === undefined) {
    process.stderr.write(`usage: npm run conformance -- SUITE [OPTIONS], where SUITE [OPTIONS] is one of\n`)
    for (const { usage } of SUITES) process.stderr.write(`  ${usage}\n`)
    return 1
  }
  try {
    const hasPassed = await suite.run(args, (line) => void process.stdout.write(`${line}\n`))
    process.stdout.write(`${suite.name}: ${hasPassed ? 'passed' : 'FAILED'}\n`)
    return hasPassed ? 0 : 1
  } catch (error) {
    process.stderr.write(`${suite.name}: ${(error as Error).message}\nusage: npm run conformance -- ${suite.usage}\n`)
    return 1
  }
}

process.exit(await main(process.argv.slice(2)))
