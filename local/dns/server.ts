/** The cluster's DNS server on UDP and TCP. What it answers is decided in `answers.ts`. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { createServer, type Server, type Socket } from 'node:net'
import { type Answer, type DecodedPacket, decode, encode, type Packet } from 'dns-packet'
import { answer, type DnsRecord, type DnsView } from './answers.ts'

const TTL_S = 5
/** RFC 1035 §4.2.1: without EDNS no longer answer fits into UDP; it is cut and asked for again over TCP. */
const MAX_UDP_BYTES = 512
/** RFC 1035 §4.2.2: a length of two bytes precedes each message. */
const MAX_TCP_BYTES = 65_535
const TCP_IDLE_MS = 10_000
const FORMAT_ERROR = 1
const NXDOMAIN = 3
const NOT_IMPLEMENTED = 4
const OPCODE_MASK = 0x7800
const AUTHORITATIVE = 1 << 10
const RECURSION_DESIRED = 1 << 8
const RECURSION_AVAILABLE = 1 << 7
const TRUNCATED = 1 << 9

export class DnsServer {
  readonly #view: DnsView
  #udp: UdpSocket | undefined
  #tcp: Server | undefined

  constructor(view: DnsView) {
    this.#view = view
  }

  async listen(address: string, port = 53): Promise<void> {
    const udp = createSocket('udp4')
    udp.on('message', (message, peer) => {
      const reply = this.reply(message, MAX_UDP_BYTES)
      if (reply !== undefined) udp.send(reply, peer.port, peer.address, () => {})
    })
    udp.on('error', () => {})
    const tcp = createServer((socket) => this.#serveTcp(socket))
    await new Promise<void>((resolve, reject) => {
      udp.once('error', reject)
      udp.bind(port, address, () => resolve())
    })
    await new Promise<void>((resolve, reject) => {
      tcp.once('error', reject)
      tcp.listen(port, address, () => resolve())
    })
    this.#udp = udp
    this.#tcp = tcp
  }

  close(): void {
    this.#udp?.close()
    this.#tcp?.close()
  }

  /** The reply to one message, cut to `maxBytes`; `undefined` for what is no question. */
  reply(message: Uint8Array, maxBytes: number): Buffer | undefined {
    let query: DecodedPacket
    try {
      query = decode(Buffer.from(message))
    } catch {
      return undefined
    }
    const [question] = query.questions ?? []
    if (query.type !== 'query' || question === undefined) return undefined
    // Other bytes do not survive the way through text, and no name of a cluster has them.
    // A dot inside a label is read as one between two, which may leave an empty label that ends the name.
    if (!/^[\x21-\x7e]{0,253}$/.test(question.name) || /^\..|\.\.|.\.$/.test(question.name))
      return encode({ type: 'response', id: query.id ?? 0, flags: FORMAT_ERROR })
    const flags = AUTHORITATIVE | RECURSION_AVAILABLE | ((query.flags ?? 0) & RECURSION_DESIRED)
    const base: Packet = { type: 'response', id: query.id ?? 0, questions: [question] }
    if (query.flag_qr === true || ((query.flags ?? 0) & OPCODE_MASK) !== 0)
      return encode({ ...base, flags: flags | NOT_IMPLEMENTED })
    const result = answer(this.#view, question.name, question.type)
    if (result.kind === 'nxdomain') return encode({ ...base, flags: flags | NXDOMAIN })
    const whole = encode({
      ...base,
      flags,
      answers: result.answers.map(toAnswer),
      additionals: result.additional.map(toAnswer),
    })
    if (whole.length <= maxBytes) return whole
    const withoutAdditional = encode({ ...base, flags, answers: result.answers.map(toAnswer) })
    return withoutAdditional.length <= maxBytes ? withoutAdditional : encode({ ...base, flags: flags | TRUNCATED })
  }

  #serveTcp(socket: Socket): void {
    let pending = Buffer.alloc(0)
    socket.setTimeout(TCP_IDLE_MS, () => socket.destroy())
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk])
      while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
        const end = 2 + pending.readUInt16BE(0)
        const reply = this.reply(pending.subarray(2, end), MAX_TCP_BYTES)
        pending = pending.subarray(end)
        if (reply === undefined) return void socket.destroy()
        const length = Buffer.alloc(2)
        length.writeUInt16BE(reply.length)
        socket.write(Buffer.concat([length, reply]))
      }
    })
  }
}

function toAnswer(record: DnsRecord): Answer {
  const { name } = record
  switch (record.type) {
    case 'A':
      return { type: 'A', name, ttl: TTL_S, data: record.address }
    case 'SRV':
      return {
        type: 'SRV',
        name,
        ttl: TTL_S,
        data: { priority: 0, weight: 100, port: record.port, target: record.target },
      }
    case 'CNAME':
    case 'PTR':
      return { type: record.type, name, ttl: TTL_S, data: record.target }
  }
}
