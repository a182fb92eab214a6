/**
 * The few functions of the C library that Node has no call for, through koffi. It is loaded at the first call, not with
 * this file: a process that never needs one (tests, tools) does not pay its memory.
 */
import { createRequire } from 'node:module'

export interface Libc {
  getsockopt(fd: number, level: number, option: number, value: Uint8Array, length: Uint32Array): number
  setsockopt(fd: number, level: number, option: number, value: Int32Array, length: number): number
  /** Gives free memory back to the system (malloc_trim(3)); `undefined` in C libraries that have it not, such as musl. */
  readonly trim: ((keepBytes: number) => number) | undefined
}

let loaded: Libc | undefined

export function libc(): Libc {
  if (loaded !== undefined) return loaded
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  // No name: the functions of the C library this process already runs on, glibc or musl.
  const library = koffi.load(null)
  const optional = (signature: string): Libc['trim'] => {
    try {
      return library.func(signature)
    } catch {
      return undefined
    }
  }
  loaded = {
    getsockopt: library.func('int getsockopt(int fd, int level, int option, void *value, void *length)'),
    setsockopt: library.func('int setsockopt(int fd, int level, int option, void *value, uint32_t length)'),
    trim: optional('int malloc_trim(size_t pad)'),
  }
  return loaded
}
