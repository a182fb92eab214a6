/**
 * Holds the tables against `@bufbuild/protobuf`: random messages of every type are read and written alike by both, and
 * damaged bytes end in a message or an Error, whichever they are.
 */
import { isDeepStrictEqual } from 'node:util'
import { create, type DescField, type DescMessage, fromBinary, ScalarType, toBinary } from '@bufbuild/protobuf'
import { decode, encode, type MessageTable } from './codec.ts'
import { tablesWithDescriptors } from './testing.ts'

const MAX_DEPTH = 6

export function fuzz(random: () => number, iterations: number): void {
  const pairs = tablesWithDescriptors()
  for (let run = 0; run < iterations; run++) {
    const { descriptor, table } = pairs[Math.floor(random() * pairs.length)]!
    const message = randomMessage(descriptor, random, MAX_DEPTH)
    const bytes = toBinary(descriptor, create(descriptor, message))
    readsAlike(descriptor, table, bytes)
    const own = encode(table, message)
    if (!Buffer.from(own).equals(bytes))
      throw new Error(`${descriptor.typeName}: wrote ${hex(own)} instead of ${hex(bytes)}`)
    // A message behind a message is the two merged.
    readsAlike(
      descriptor,
      table,
      Buffer.concat([bytes, toBinary(descriptor, create(descriptor, randomMessage(descriptor, random, 2)))]),
    )
    damaged(table, bytes, random)
  }
}

function readsAlike(descriptor: DescMessage, table: MessageTable, bytes: Uint8Array): void {
  const theirs = fromBinary(descriptor, bytes, { readUnknownFields: false })
  const ours = decode(table, bytes)
  if (!isDeepStrictEqual(plain(ours), plain(theirs)))
    throw new Error(`${descriptor.typeName}: ${hex(bytes)} was read differently`)
}

function damaged(table: MessageTable, bytes: Uint8Array, random: () => number): void {
  const copy = Buffer.from(bytes).subarray(0, Math.floor(random() * (bytes.length + 1)))
  for (let flips = 0; flips < 3 && copy.length > 0; flips++)
    copy[Math.floor(random() * copy.length)] = Math.floor(random() * 256)
  try {
    decode(table, copy)
  } catch (error) {
    if (!(error instanceof Error) || error instanceof TypeError) throw error
  }
}

/** Prototypes and absent properties do not count: the library makes `undefined` fields absent. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, each]) => each !== undefined)
  return Object.fromEntries(entries.map(([key, each]) => [key, plain(each)]).sort())
}

type Init = Record<string, unknown>

function randomMessage(descriptor: DescMessage, random: () => number, depth: number): Init {
  const message: Init = {}
  for (const field of descriptor.fields) {
    if (random() < 0.3) continue
    const { message: nested } = field as { readonly message?: DescMessage | undefined }
    if (nested !== undefined && depth === 0) continue
    const value = () => (nested === undefined ? randomScalar(field, random) : randomMessage(nested, random, depth - 1))
    if (field.oneof !== undefined) message[field.oneof.localName] = { case: field.localName, value: value() }
    else if (field.fieldKind === 'list')
      message[field.localName] = Array.from({ length: Math.floor(random() * 4) }, value)
    else if (field.fieldKind === 'map')
      message[field.localName] = Object.fromEntries(
        Array.from({ length: Math.floor(random() * 4) }, () => [`k${Math.floor(random() * 9)}`, value()]),
      )
    else message[field.localName] = value()
  }
  return message
}

const TEXTS = ['', 'a', 'web.emojivoto.svc.cluster.local', 'ü€😀', 'x'.repeat(200)]
const NUMBERS = [0, 1, 127, 128, 65_535, 2 ** 31 - 1]

function randomScalar(field: DescField, random: () => number): unknown {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  switch ('scalar' in field ? field.scalar : undefined) {
    case ScalarType.STRING:
      return pick(TEXTS)
    case ScalarType.BYTES:
      return Buffer.alloc(pick([0, 1, 200]), 7)
    case ScalarType.BOOL:
      return random() < 0.5
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return pick([0, 0.5, 1.5, -2])
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return pick([0n, 1n, 2n ** 63n, 2n ** 64n - 1n])
    case ScalarType.INT64:
      return pick([0n, -1n, 2n ** 62n])
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return pick([...NUMBERS, 2 ** 32 - 1])
    case undefined:
      // An enum, with a number that nobody has given a name yet.
      return pick([0, 1, 2, 77])
    default:
      return pick([...NUMBERS, -1])
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
