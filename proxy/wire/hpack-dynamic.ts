/**
 * The dynamic table of HPACK (RFC 7541 §2.3.2, §4): the newest entry has index 1 here.
 *
 * Used until the peer has acknowledged our SETTINGS_HEADER_TABLE_SIZE of 0, and with peers that ignore it, so it is plain
 * rather than fast. Its bound is the size we announced: at most `maxBytes / 32` entries.
 */
const ENTRY_OVERHEAD_BYTES = 32

export interface DynamicEntry {
  /** `OTHER` for a name that only `name` tells. */
  readonly token: number
  readonly name: Buffer
  readonly value: Buffer
}

export class DynamicTable {
  #entries: DynamicEntry[] = []
  #bytes = 0
  #maxBytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get maxBytes(): number {
    return this.#maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  get length(): number {
    return this.#entries.length
  }

  /** The entry with this index, counted from 1; `undefined` when there is none. */
  at(index: number): DynamicEntry | undefined {
    return this.#entries[this.#entries.length - index]
  }

  /** An entry that is larger than the table empties it, which is not an error (RFC 7541 §4.4). */
  add(entry: DynamicEntry): void {
    const bytes = bytesOf(entry)
    this.#evictTo(this.#maxBytes - bytes)
    if (bytes > this.#maxBytes) return
    this.#entries.push(entry)
    this.#bytes += bytes
  }

  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes
    this.#evictTo(maxBytes)
  }

  #evictTo(bytes: number): void {
    let evicted = 0
    while (this.#bytes > bytes && evicted < this.#entries.length) this.#bytes -= bytesOf(this.#entries[evicted++]!)
    if (evicted > 0) this.#entries.splice(0, evicted)
  }
}

function bytesOf(entry: DynamicEntry): number {
  return entry.name.length + entry.value.length + ENTRY_OVERHEAD_BYTES
}
