/** `weft`: finds the command, parses its options, runs it. */
import { Socket } from 'node:net'
import { parseArgs } from 'node:util'
import type { Command } from './command.ts'
import { COMMANDS } from './commands.ts'

/** What was typed cannot be a command; sysexits.h calls it EX_USAGE, shells use 2. */
const EXIT_USAGE = 2

/** @param args what stands behind `weft` @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  followLauncher()
  const [first = 'help'] = args
  if (first === 'help' || first === '--help' || first === '-h') return help(process.stdout)
  if (first === '--version' || first === 'version') {
    process.stdout.write(`weft ${await packageVersion()}\n`)
    return 0
  }
  // The longest name wins: `local get` before `local`.
  const entry = [...COMMANDS]
    .sort((a, b) => b.name.length - a.name.length)
    .find(({ name }) => isPrefix(name.split(' '), args))
  if (entry === undefined) {
    process.stderr.write(`weft: there is no command "${first}"; see: weft help\n`)
    return EXIT_USAGE
  }
  const command = await entry.load()
  return runCommand(command, args.slice(entry.name.split(' ').length))
}

async function runCommand(command: Command, args: readonly string[]): Promise<number> {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse(command, args)
  } catch (cause) {
    process.stderr.write(`weft ${command.name}: ${(cause as Error).message}\nusage: weft ${command.usage}\n`)
    return EXIT_USAGE
  }
  const { help: isHelp, ...values } = parsed.values
  if (isHelp === true) {
    process.stdout.write(`${command.summary}\n\nusage: weft ${command.usage}\n`)
    return 0
  }
  const { stdin, stdout, stderr } = process
  // A reader that has seen enough (`| head`) is no fault of ours.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  return command.run({ values, positionals: parsed.positionals, stdin, stdout, stderr })
}

function parse(command: Command, args: readonly string[]) {
  const options = { ...command.options, help: { type: 'boolean', short: 'h' } } as const
  return parseArgs({ args: [...args], options, allowPositionals: true })
}

function help(out: NodeJS.WritableStream): number {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length))
  const lines = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`)
  out.write(
    `weft: a service mesh\n\nusage: weft COMMAND [OPTIONS]\n\n${lines.join('\n')}\n\nweft COMMAND --help says more about one.\n`,
  )
  return 0
}

function isPrefix(words: readonly string[], args: readonly string[]): boolean {
  return words.every((word, index) => args[index] === word)
}

/** Ends with the process of the machine's own Node that started this one (`weft.js`), however that one ended. */
function followLauncher(): void {
  const fd = Number(process.env.WEFT_LAUNCHER_FD ?? '')
  if (!Number.isInteger(fd) || fd < 3) return
  delete process.env.WEFT_LAUNCHER_FD
  const pipe = new Socket({ fd })
  pipe.on('close', () => process.exit(137))
  pipe.on('error', () => process.exit(137))
  pipe.resume()
  pipe.unref()
}

async function packageVersion(): Promise<string> {
  const { PACKAGE_ROOT } = await import('../local/programs.ts')
  const { readFileSync } = await import('node:fs')
  return String((JSON.parse(readFileSync(`${PACKAGE_ROOT}/package.json`, 'utf8')) as { version?: string }).version)
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
