/**
 * The address an application dialled before the redirect rules sent its connection to us, and the TCP options
 * that Node has no call for.
 */
import { formatIp, type SocketAddress } from '../../api/ip.ts'
import { libc } from './libc.ts'

// Linux, uapi/linux/netfilter_ipv4.h and netfilter_ipv6/ip6_tables.h: both families use option 80.
const SO_ORIGINAL_DST = 80
const SOL_IP = 0
const SOL_IPV6 = 41

// uapi/linux/tcp.h
const SOL_TCP = 6
const TCP_USER_TIMEOUT = 18
const TCP_NOTSENT_LOWAT = 25

// uapi/linux/in.h and in6.h
const AF_INET = 2
const AF_INET6 = 10
const SOCKADDR_IN_LENGTH = 16
const SOCKADDR_IN6_LENGTH = 28

// System calls do not wait here, so one buffer each serves every call.
const address = new Uint8Array(SOCKADDR_IN6_LENGTH)
const addressLength = new Uint32Array(1)
const option = new Int32Array(1)

/**
 * The original destination of an accepted socket, from the connection's NAT entry in the kernel.
 *
 * @returns `undefined` when the kernel tracks no such connection: it was not redirected, or `fd` is no TCP socket
 */
export function originalDestination(fd: number): SocketAddress | undefined {
  // IPv4 first also on a dual-stack socket: its IPv4 connections are kept as IPv4 by the connection tracking.
  return read(fd, SOL_IP, SOCKADDR_IN_LENGTH) ?? read(fd, SOL_IPV6, SOCKADDR_IN6_LENGTH)
}

/**
 * Closes the connection when sent bytes stay unacknowledged this long (RFC 5482); 0 restores the system's default.
 *
 * @returns whether the kernel took it
 */
export function setTcpUserTimeout(fd: number, timeoutMs: number): boolean {
  return setTcpOption(fd, TCP_USER_TIMEOUT, timeoutMs)
}

/**
 * Bounds what the kernel takes beyond what it has sent: its own bound grows to megabytes.
 *
 * @returns whether the kernel took it
 */
export function setTcpUnsentBytes(fd: number, bytes: number): boolean {
  return setTcpOption(fd, TCP_NOTSENT_LOWAT, bytes)
}

/**
 * Decodes a `sockaddr_in` or `sockaddr_in6`. The family is in the machine's byte order (little-endian on both
 * architectures we run on), port and address in the network's. An IPv4 address mapped into IPv6 comes out as IPv4.
 *
 * @returns `undefined` for another family or too few bytes
 */
export function decodeSocketAddress(bytes: Uint8Array): SocketAddress | undefined {
  if (bytes.length < SOCKADDR_IN_LENGTH) return undefined
  const family = bytes[0]! | (bytes[1]! << 8)
  const port = (bytes[2]! << 8) | bytes[3]!
  if (family === AF_INET) return { ip: formatIp(bytes.subarray(4, 8)), port }
  if (family !== AF_INET6 || bytes.length < SOCKADDR_IN6_LENGTH) return undefined
  const ip = bytes.subarray(8, 24)
  return { ip: formatIp(isMapped(ip) ? ip.subarray(12) : ip), port }
}

function setTcpOption(fd: number, name: number, value: number): boolean {
  option[0] = value
  return libc().setsockopt(fd, SOL_TCP, name, option, option.byteLength) === 0
}

function read(fd: number, level: number, length: number): SocketAddress | undefined {
  addressLength[0] = length
  if (libc().getsockopt(fd, level, SO_ORIGINAL_DST, address, addressLength) !== 0) return undefined
  return decodeSocketAddress(address.subarray(0, addressLength[0]))
}

// RFC 4291 §2.5.5.2: ten zero bytes, two of all ones.
function isMapped(ip: Uint8Array): boolean {
  for (let at = 0; at < 10; at++) if (ip[at] !== 0) return false
  return ip[10] === 0xff && ip[11] === 0xff
}
