/**
 * Feeds a store from another process over a Unix socket: one JSON object per line, first everything, then changes.
 * The other way goes the status that the reader's controllers give to objects.
 *
 * The serving side keeps per reader which version of each object it has sent. So a slow reader costs no queue: when it
 * can take more, it gets the difference to now. A reader that lost its connection keeps what it knows and is brought
 * up to date by the next first line.
 */
import { chmodSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { KINDS, type Kind, nameOf, type Resource } from '../../api/resources/kinds.ts'
import { keyOf } from './directory-source.ts'
import type { ObjectKey, ResourceStore, WritableResourceStore } from './store.ts'

/** What a reader says: the status of an object as a controller sees it. */
export interface StatusMessage {
  readonly key: ObjectKey
  readonly status: object
}

/** A reader that sends more at once is not one of ours. */
const MAX_STATUS_BYTES = 1_000_000

interface StreamMessage {
  /** `snapshot` holds everything there is; what it does not name is gone. */
  readonly type: 'snapshot' | 'batch'
  readonly apply: readonly Resource[]
  readonly delete: readonly ObjectKey[]
}

const ALL_KINDS = Object.keys(KINDS) as Kind[]
const RECONNECT_MS = 200

/** Serves `store` to every process that may open `path`. */
export class StreamServer {
  readonly #server: Server
  readonly #endSubscription: () => void
  readonly #readers = new Set<Reader>()

  constructor(
    store: ResourceStore,
    path: string,
    onReader: () => void = () => {},
    onStatus: (message: StatusMessage) => void = () => {},
  ) {
    rmSync(path, { force: true })
    this.#server = createServer((socket) => {
      const reader = new Reader(socket, store)
      this.#readers.add(reader)
      socket.on('close', () => this.#readers.delete(reader))
      socket.on('error', () => socket.destroy())
      readStatus(socket, onStatus)
      reader.send()
      onReader()
    })
    this.#server.listen(path, () => chmodSync(path, 0o666))
    this.#endSubscription = store.subscribe((changed) => {
      for (const reader of this.#readers) reader.changed(changed)
    })
  }

  close(): void {
    this.#endSubscription()
    this.#server.close()
    for (const reader of this.#readers) reader.close()
  }
}

class Reader {
  readonly #socket: Socket
  readonly #store: ResourceStore
  /** Versions sent, by kind and `namespace/name`. */
  readonly #sent = new Map<Kind, Map<string, { readonly version: string; readonly key: ObjectKey }>>()
  #stale = new Set<Kind>(ALL_KINDS)
  #isFirst = true
  #isFull = false

  constructor(socket: Socket, store: ResourceStore) {
    this.#socket = socket
    this.#store = store
    socket.on('drain', () => {
      this.#isFull = false
      this.send()
    })
  }

  changed(kinds: ReadonlySet<Kind>): void {
    for (const kind of kinds) this.#stale.add(kind)
    this.send()
  }

  /** Sends the difference between what the reader has and what is now. */
  send(): void {
    if (this.#isFull || this.#stale.size === 0) return
    const apply: Resource[] = []
    const deleted: ObjectKey[] = []
    for (const kind of this.#stale) this.#difference(kind, apply, deleted)
    this.#stale = new Set()
    if (apply.length + deleted.length === 0 && !this.#isFirst) return
    const message: StreamMessage = { type: this.#isFirst ? 'snapshot' : 'batch', apply, delete: deleted }
    this.#isFirst = false
    this.#isFull = !this.#socket.write(`${JSON.stringify(message)}\n`)
  }

  close(): void {
    this.#socket.destroy()
  }

  #difference(kind: Kind, apply: Resource[], deleted: ObjectKey[]): void {
    const before = this.#sent.get(kind) ?? new Map()
    const now = new Map<string, { version: string; key: ObjectKey }>()
    for (const object of this.#store.list(kind) as readonly Resource[]) {
      const { namespace, name, resourceVersion } = object.metadata
      const id = `${namespace}/${name}`
      now.set(id, { version: resourceVersion, key: keyOf(object) })
      if (before.get(id)?.version !== resourceVersion) apply.push(object)
    }
    for (const [id, { key }] of before) {
      if (!now.has(id)) deleted.push(key)
    }
    this.#sent.set(kind, now)
  }
}

function readStatus(socket: Socket, onStatus: (message: StatusMessage) => void): void {
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('data', (text: string) => {
    const lines = `${rest}${text}`.split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > MAX_STATUS_BYTES) socket.destroy()
    for (const line of lines) onStatus(JSON.parse(line) as StatusMessage)
  })
}

/** Reads such a stream into `store`, again and again until it is closed. */
export class StreamSource {
  readonly #path: string
  readonly #store: WritableResourceStore
  #socket: Socket | undefined
  #isClosed = false

  constructor(path: string, store: WritableResourceStore) {
    this.#path = path
    this.#store = store
  }

  /** Resolves when the first whole state is in the store. */
  start(): Promise<void> {
    return new Promise((resolve) => this.#connect(resolve))
  }

  /** Sends the status of an object back; lost when nobody is connected, and then found missing again later. */
  writeStatus(object: Resource, status: object): void {
    const message: StatusMessage = { key: keyOf(object), status }
    this.#socket?.write(`${JSON.stringify(message)}\n`)
  }

  close(): void {
    this.#isClosed = true
    this.#socket?.destroy()
  }

  #connect(onSnapshot: () => void): void {
    const socket = connect(this.#path)
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('close', () => {
      if (!this.#isClosed) setTimeout(() => this.#connect(onSnapshot), RECONNECT_MS)
    })
    const lines = createInterface({ input: socket })
    // The socket's errors come here too; its close brings the next attempt.
    lines.on('error', () => {})
    lines.on('line', (line) => {
      const message = JSON.parse(line) as StreamMessage
      this.#store.commit({
        apply: message.apply,
        delete: message.type === 'snapshot' ? [...this.#notIn(message.apply)] : message.delete,
      })
      onSnapshot()
    })
  }

  #notIn(objects: readonly Resource[]): ObjectKey[] {
    const named = new Set(objects.map(nameOf))
    return ALL_KINDS.flatMap((kind) =>
      (this.#store.list(kind) as readonly Resource[]).filter((object) => !named.has(nameOf(object))).map(keyOf),
    )
  }
}
