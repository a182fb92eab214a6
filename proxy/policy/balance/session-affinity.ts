/** Which session a request belongs to, where the policy keeps sessions at one endpoint. */
import type { Head } from '../../wire/head.ts'
import { HeadView } from '../request-view.ts'
import { hashOf, mix } from './hash-ring.ts'

export interface SessionAffinity {
  readonly key: SessionKey
  /** How much of the mean load an endpoint takes before its sessions go elsewhere; at least 1. */
  readonly maxLoad: number
}

export type SessionKey =
  /** Requests of one value; in lower case. */
  | { readonly kind: 'header'; readonly name: string }
  /** Without `ttlMs` the cookie lives as long as the browser's session. */
  | { readonly kind: 'cookie'; readonly name: string; readonly path: string; readonly ttlMs: number | undefined }

export interface Session {
  /** Where it is on the ring. */
  readonly hash: number
  /** From 0 to 1, independent of `hash`: draws among backends, so that a session stays on its side of a split. */
  readonly point: number
  /** Goes to the client with the response that begins the session; `undefined` where it has one. */
  readonly setCookie: string | undefined
}

/**
 * `undefined` for a request without the header: it is balanced as any other.
 *
 * @param newId makes the value of a cookie: random, so that it says nothing of endpoints or clients
 */
export function sessionOf({ key }: SessionAffinity, head: Head, newId: () => string): Session | undefined {
  switch (key.kind) {
    case 'header': {
      // Over HTTP/2 the host is a field of another name.
      const value = key.name === 'host' ? new HeadView(head).authority : head.valuesOf(key.name)[0]
      return value === undefined || value === '' ? undefined : session(value, undefined)
    }
    case 'cookie': {
      const own = cookieOf(head, key.name)
      if (own !== undefined) return session(own, undefined)
      const id = newId()
      return session(id, setCookie(key, id))
    }
  }
}

/** Gives the client its cookie, unless the application has set one of this name itself. */
export function addSessionCookie(head: Head, cookie: string): void {
  const name = cookie.slice(0, cookie.indexOf('=') + 1)
  if (!head.valuesOf('set-cookie').some((value) => value.startsWith(name))) head.add('set-cookie', cookie)
}

function session(value: string, cookie: string | undefined): Session {
  const hash = hashOf(value)
  return { hash, point: mix(hash ^ 0x9e3779b9) / 2 ** 32, setCookie: cookie }
}

/** RFC 6265 §4.1. It is not `Secure`: whether the client came in clear text is not known here. */
function setCookie({ name, path, ttlMs }: Extract<SessionKey, { kind: 'cookie' }>, id: string): string {
  const maxAge = ttlMs === undefined ? '' : `; Max-Age=${Math.ceil(ttlMs / 1_000)}`
  return `${name}=${id}; Path=${path}${maxAge}; HttpOnly; SameSite=Lax`
}

/** The value of a cookie that is not empty; HTTP/2 may bring each in a field of its own (RFC 9113 §8.2.3). */
function cookieOf(head: Head, name: string): string | undefined {
  for (const field of head.valuesOf('cookie')) {
    for (const pair of field.split(';')) {
      const at = pair.indexOf('=')
      if (at === -1 || pair.slice(0, at).trim() !== name) continue
      const value = pair.slice(at + 1).trim()
      if (value !== '') return value
    }
  }
  return undefined
}
