/** What people type. */
import { execFile } from 'node:child_process'

/** @returns the exit code of curl (7: refused, 35 and 56: broken off) and what it wrote */
export function curl({ args }: { readonly args: readonly string[] }): Promise<{ code: number; stdout: string }> {
  return new Promise((resolve) => {
    execFile('curl', ['--silent', '--max-time', '30', ...args], (error, stdout) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout })
    })
  })
}
