/** What the kernel knows of a Node socket and Node has no call for: asked by the socket's descriptor. */
import type { Socket } from 'node:net'
import type { SocketAddress } from '../../api/ip.ts'
import { originalDestination, setTcpUnsentBytes, setTcpUserTimeout } from './original-destination.ts'
import type { SocketTransport } from './socket-transport.ts'

/** Where a redirected connection was going, in canonical text. */
export function destinationOf(socket: Socket): SocketAddress | undefined {
  const fd = fileDescriptor(socket)
  return fd === undefined ? undefined : originalDestination(fd)
}

export function setUserTimeout(transport: SocketTransport, ms: number): void {
  const fd = fileDescriptor(transport.socket)
  if (fd !== undefined) setTcpUserTimeout(fd, ms)
}

export function boundUnsent(socket: Socket, bytes: number): void {
  const fd = fileDescriptor(socket)
  if (fd !== undefined) setTcpUnsentBytes(fd, bytes)
}

/** Node gives no public way to the descriptor of a socket; `_handle.fd` is as old as libuv streams. */
function fileDescriptor(socket: Socket): number | undefined {
  const handle = (socket as unknown as { readonly _handle?: { readonly fd?: number } })._handle
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined
}
