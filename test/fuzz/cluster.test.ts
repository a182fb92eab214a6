import { fuzzTests } from './suite.ts'

await fuzzTests('cluster')
