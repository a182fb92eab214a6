/** Every generated table beside the descriptor of the same message, for tests. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { DescFile, DescMessage } from '@bufbuild/protobuf'
import { file_google_protobuf_duration, file_google_protobuf_timestamp } from '@bufbuild/protobuf/wkt'
import type { MessageTable } from './codec.ts'

const GENERATED = join(import.meta.dirname, '..', 'gen')

const tables = new Map<string, MessageTable>()
const files: DescFile[] = [file_google_protobuf_duration, file_google_protobuf_timestamp]
for (const name of readdirSync(GENERATED).sort()) {
  if (name.endsWith('_tables.ts')) {
    for (const value of Object.values(await import(join(GENERATED, name)))) {
      if (isTable(value)) tables.set(value.typeName, value)
    }
  } else if (name.endsWith('_pb.js')) {
    const base = name.slice(0, -'_pb.js'.length)
    files.push((await import(join(GENERATED, name)))[`file_${base}`] as DescFile)
  }
}

export function tablesWithDescriptors(): readonly { readonly table: MessageTable; readonly descriptor: DescMessage }[] {
  const descriptors = files.flatMap((file) => file.messages.flatMap(withNested))
  return descriptors.flatMap((descriptor) => {
    const table = tables.get(descriptor.typeName)
    return table === undefined ? [] : [{ table, descriptor }]
  })
}

function withNested(message: DescMessage): DescMessage[] {
  return [message, ...message.nestedMessages.flatMap(withNested)]
}

function isTable(value: unknown): value is MessageTable {
  return typeof value === 'object' && value !== null && 'typeName' in value
}
