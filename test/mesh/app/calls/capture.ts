/**
 * Reads what passes a network interface, as tcpdump would, and looks for words in it. Through koffi, because Node has
 * no packet sockets and tcpdump is not on every machine. Needs CAP_NET_RAW.
 */
import { createRequire } from 'node:module'
import { networkInterfaces } from 'node:os'

// Linux, uapi/linux/if_packet.h and if_ether.h
const AF_PACKET = 17
const SOCK_RAW = 3
const ETH_P_ALL = 0x0003
const SOL_SOCKET = 1
const SO_RCVBUFFORCE = 33
const MSG_DONTWAIT = 0x40

/** Between two looks the kernel keeps the packets; a test sends a few hundred. */
const POLL_MS = 5
const RECEIVE_BUFFER_BYTES = 16 * 1024 * 1024
const MAX_PACKET_BYTES = 65_536

export interface CaptureReport {
  readonly packets: number
  readonly payloadBytes: number
  /** In how many packets each word was. */
  readonly seen: Readonly<Record<string, number>>
}

interface Capture {
  stop(): CaptureReport
}

let running: Capture | undefined

/** Begins to read: from here on the kernel keeps every packet for us. */
export function startCapture({ device, words }: { readonly device: string; readonly words: readonly string[] }): void {
  if (networkInterfaces()[device] === undefined) throw new Error(`there is no interface ${device} here`)
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  const libc = koffi.load(null)
  const socket = libc.func('int socket(int domain, int type, int protocol)')
  const bind = libc.func('int bind(int fd, const uint8_t *address, uint32_t length)')
  const setsockopt = libc.func('int setsockopt(int fd, int level, int option, const int *value, uint32_t length)')
  const recv = libc.func('long recv(int fd, _Out_ uint8_t *buffer, size_t length, int flags)')
  const close = libc.func('int close(int fd)')
  const indexOf = libc.func('unsigned int if_nametoindex(const char *name)')

  const fd = socket(AF_PACKET, SOCK_RAW, networkOrder(ETH_P_ALL)) as number
  if (fd < 0) throw new Error('no packet socket: the container needs the capability NET_RAW')
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, new Int32Array([RECEIVE_BUFFER_BYTES]), 4)
  if ((bind(fd, linkLayerAddress(indexOf(device) as number), 20) as number) !== 0)
    throw new Error(`bind to ${device} failed`)

  const counts = new Map(words.map((word) => [word, 0]))
  const packet = Buffer.alloc(MAX_PACKET_BYTES)
  const total = { packets: 0, payloadBytes: 0 }
  const drain = () => {
    for (;;) {
      const length = Number(recv(fd, packet, packet.length, MSG_DONTWAIT))
      if (length <= 0) return
      total.packets++
      total.payloadBytes += length
      const bytes = packet.subarray(0, length)
      for (const word of words) if (bytes.includes(word)) counts.set(word, (counts.get(word) ?? 0) + 1)
    }
  }
  const timer = setInterval(drain, POLL_MS)
  running = {
    stop() {
      clearInterval(timer)
      drain()
      close(fd)
      return { ...total, seen: Object.fromEntries(counts) }
    },
  }
}

export function stopCapture(): CaptureReport {
  if (running === undefined) throw new Error('no capture is running')
  const report = running.stop()
  running = undefined
  return report
}

/** struct sockaddr_ll with family, protocol and interface index; the rest may be zero for bind. */
function linkLayerAddress(interfaceIndex: number): Buffer {
  const address = Buffer.alloc(20)
  address.writeUInt16LE(AF_PACKET, 0)
  address.writeUInt16BE(ETH_P_ALL, 2)
  address.writeInt32LE(interfaceIndex, 4)
  return address
}

function networkOrder(value: number): number {
  return ((value & 0xff) << 8) | (value >> 8)
}
