/**
 * Protobuf messages by table: what a sidecar reads and writes of the wire API.
 *
 * The tables are generated from the same .proto files as the messages of `@bufbuild/protobuf`, and a decoded message has
 * the same shape, so either can be used with the same types. That library keeps whole descriptors and is right where
 * memory does not count (control plane, command line, tests); in every pod it would be 5 MB. Bytes are read and written by
 * its low-level half. `codec.fuzz.ts` holds the two against each other.
 */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'

/** Scalar types in use; each is also the name of the reader's and the writer's method. */
export type Scalar =
  | 'bool'
  | 'bytes'
  | 'double'
  | 'fixed32'
  | 'fixed64'
  | 'float'
  | 'int32'
  | 'int64'
  | 'string'
  | 'uint32'
  | 'uint64'

export interface FieldTable {
  readonly no: number
  /** Its property in the message, in camel case. */
  readonly name: string
  /** An enum is an `int32` (unknown numbers are kept). */
  readonly type: Scalar | (() => MessageTable)
  /** `map`: keys are strings, as everywhere in this API. */
  readonly label?: 'repeated' | 'map' | 'optional'
  /** The oneof that it is a case of. */
  readonly oneof?: string
}

/** `T` is the generated type of the message; nothing of it is there at run time. */
export interface MessageTable<T = unknown> {
  readonly typeName: string
  readonly fields: readonly FieldTable[]
  readonly _type?: T
}

/** What can be given to `encode`: fields that are absent have their default. */
export type Partially<T> = T extends Uint8Array | string | number | bigint | boolean | undefined
  ? T
  : T extends readonly (infer E)[]
    ? readonly Partially<E>[]
    : { readonly [K in Exclude<keyof T, '$typeName' | '$unknown'>]?: Partially<T[K]> | undefined }

/** Nested deeper than anything in this API can be. */
const MAX_DEPTH = 32

type Message = Record<string, unknown>

/**
 * The message in `bytes`. Unknown fields are skipped; the last value of a field wins, messages are merged.
 *
 * @throws Error when the bytes are no protobuf message or nest deeper than any message of this API
 */
export function decode<T>(table: MessageTable<T>, bytes: Uint8Array): T {
  const reader = new BinaryReader(bytes)
  const message = emptyOf(table)
  readFields(table, message, reader, reader.len, MAX_DEPTH)
  return message as T
}

export function encode<T>(table: MessageTable<T>, message: Partially<T>): Uint8Array {
  const writer = new BinaryWriter()
  writeFields(table, message as Message, writer)
  return writer.finish()
}

// ── Reading ──

const byNumber = new WeakMap<MessageTable, ReadonlyMap<number, FieldTable>>()

function fieldsOf(table: MessageTable): ReadonlyMap<number, FieldTable> {
  let fields = byNumber.get(table)
  if (fields === undefined) {
    fields = new Map(table.fields.map((field) => [field.no, field]))
    byNumber.set(table, fields)
  }
  return fields
}

function emptyOf(table: MessageTable): Message {
  const message: Message = { $typeName: table.typeName }
  for (const { name, type, label, oneof } of table.fields) {
    if (oneof !== undefined) message[oneof] = { case: undefined }
    else if (label === 'repeated') message[name] = []
    // Keys come from the control plane's objects: no prototype that one of them could reach.
    else if (label === 'map') message[name] = Object.create(null)
    else if (typeof type === 'string' && label === undefined) message[name] = DEFAULTS[type]
    else message[name] = undefined
  }
  return message
}

function readFields(table: MessageTable, message: Message, reader: BinaryReader, end: number, depth: number): void {
  const fields = fieldsOf(table)
  while (reader.pos < end) {
    const [no, wireType] = reader.tag()
    const field = fields.get(no)
    // A known number with another wire type is another field, of a version this one does not know.
    if (field === undefined || !readField(field, message, reader, wireType, depth)) reader.skip(wireType, no)
    if (reader.pos > end) throw new Error(`${table.typeName}: a field ends behind its message`)
  }
}

/** False, and nothing is read, when `wireType` is not the field's. */
function readField(
  field: FieldTable,
  message: Message,
  reader: BinaryReader,
  wireType: WireType,
  depth: number,
): boolean {
  const { name, type, label, oneof } = field
  if (label === 'repeated' && typeof type === 'string' && wireType === WireType.LengthDelimited && isPackable(type)) {
    const list = message[name] as unknown[]
    const end = endOfNested(reader)
    while (reader.pos < end) list.push(reader[type]())
    if (reader.pos > end) throw new Error(`${name}: a value ends behind its list`)
    return true
  }
  if (wireType !== wireTypeOf(type)) return false
  if (label === 'map') {
    readEntry(type, message[name] as Message, reader, depth)
    return true
  }
  if (oneof !== undefined) {
    const current = message[oneof] as { readonly case: string | undefined; readonly value?: unknown }
    message[oneof] = {
      case: name,
      value: readValue(type, reader, depth, current.case === name ? current.value : undefined),
    }
  } else if (label === 'repeated') (message[name] as unknown[]).push(readValue(type, reader, depth, undefined))
  else message[name] = readValue(type, reader, depth, message[name])
  return true
}

/** A message is merged into the one that is there (protobuf encoding, "Last One Wins"). */
function readValue(
  type: Scalar | (() => MessageTable),
  reader: BinaryReader,
  depth: number,
  current: unknown,
): unknown {
  if (typeof type === 'string') return reader[type]()
  const table = type()
  if (depth === 0) throw new Error(`${table.typeName}: nested deeper than ${MAX_DEPTH} messages`)
  const message = (current as Message | undefined) ?? emptyOf(table)
  readFields(table, message, reader, endOfNested(reader), depth - 1)
  return message
}

/** A map is a list of messages of a key (1) and a value (2). */
function readEntry(type: Scalar | (() => MessageTable), map: Message, reader: BinaryReader, depth: number): void {
  const end = endOfNested(reader)
  let key = ''
  let value: unknown = typeof type === 'string' ? DEFAULTS[type] : emptyOf(type())
  while (reader.pos < end) {
    const [no, wireType] = reader.tag()
    if (no === 1 && wireType === WireType.LengthDelimited) key = reader.string()
    else if (no === 2 && wireType === wireTypeOf(type)) value = readValue(type, reader, depth, value)
    else reader.skip(wireType, no)
  }
  if (reader.pos > end) throw new Error('a field ends behind its map entry')
  map[key] = value
}

function endOfNested(reader: BinaryReader): number {
  const length = reader.uint32()
  const end = reader.pos + length
  if (end > reader.len) throw new Error('a message is longer than what contains it')
  return end
}

// ── Writing ──

function writeFields(table: MessageTable, message: Message, writer: BinaryWriter): void {
  for (const field of table.fields) {
    const { name, type, label, oneof } = field
    if (oneof !== undefined) {
      const chosen = message[oneof] as { readonly case?: string; readonly value?: unknown } | undefined
      if (chosen?.case === name) writeField(field, chosen.value, writer)
      continue
    }
    const value = message[name]
    if (value === undefined) continue
    if (label === 'repeated') writeList(field, value as readonly unknown[], writer)
    else if (label === 'map') {
      for (const [key, each] of Object.entries(value as Message)) {
        writer.tag(field.no, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).string(key)
        writeField({ no: 2, name, type }, each, writer)
        writer.join()
      }
    } else if (label === 'optional' || typeof type !== 'string' || !isDefault(type, value))
      writeField(field, value, writer)
  }
}

function writeList(field: FieldTable, list: readonly unknown[], writer: BinaryWriter): void {
  const { no, type } = field
  if (typeof type !== 'string' || !isPackable(type)) {
    for (const value of list) writeField(field, value, writer)
    return
  }
  if (list.length === 0) return
  writer.tag(no, WireType.LengthDelimited).fork()
  for (const value of list) writeScalar(type, value, writer)
  writer.join()
}

function writeField({ no, type }: FieldTable, value: unknown, writer: BinaryWriter): void {
  writer.tag(no, wireTypeOf(type))
  if (typeof type === 'string') return writeScalar(type, value, writer)
  writer.fork()
  writeFields(type(), value as Message, writer)
  writer.join()
}

function writeScalar(type: Scalar, value: unknown, writer: BinaryWriter): void {
  // The types of the caller's message say that it is one.
  ;(writer[type] as (value: unknown) => BinaryWriter)(value)
}

// ── Scalars ──

const WIRE_TYPES: Readonly<Record<Scalar, WireType>> = {
  bool: WireType.Varint,
  bytes: WireType.LengthDelimited,
  double: WireType.Bit64,
  fixed32: WireType.Bit32,
  fixed64: WireType.Bit64,
  float: WireType.Bit32,
  int32: WireType.Varint,
  int64: WireType.Varint,
  string: WireType.LengthDelimited,
  uint32: WireType.Varint,
  uint64: WireType.Varint,
}

const DEFAULTS: Readonly<Record<Scalar, unknown>> = {
  bool: false,
  bytes: new Uint8Array(0),
  double: 0,
  fixed32: 0,
  fixed64: 0n,
  float: 0,
  int32: 0,
  int64: 0n,
  string: '',
  uint32: 0,
  uint64: 0n,
}

function wireTypeOf(type: Scalar | (() => MessageTable)): WireType {
  return typeof type === 'string' ? WIRE_TYPES[type] : WireType.LengthDelimited
}

function isPackable(type: Scalar): boolean {
  return WIRE_TYPES[type] !== WireType.LengthDelimited
}

function isDefault(type: Scalar, value: unknown): boolean {
  return type === 'bytes' ? (value as Uint8Array).length === 0 : value === DEFAULTS[type]
}
