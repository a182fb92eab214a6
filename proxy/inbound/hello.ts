/** Whose TLS a connection begins with, if any: only what names this proxy is its own to terminate. */
import { readClientHello } from '../wire/client-hello.ts'

export type Hello =
  | { readonly kind: 'not-tls' }
  | { readonly kind: 'own' }
  | { readonly kind: 'foreign'; readonly sni: string }
  | { readonly kind: 'no-sni' }

/** `undefined` while the bytes do not say. */
export function helloIn(buf: Buffer, localName: string): Hello | undefined {
  const hello = readClientHello(buf, 0, buf.length)
  switch (hello.kind) {
    case 'partial':
      return undefined
    case 'not-tls':
      return hello
    case 'hello':
      if (hello.sni === undefined) return { kind: 'no-sni' }
      return hello.sni === localName ? { kind: 'own' } : { kind: 'foreign', sni: hello.sni }
  }
}
