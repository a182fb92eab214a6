/**
 * Reads the DNS and URI names out of the text form that Node gives a certificate's subjectAltName.
 *
 * The text is a list such as `DNS:a.b, URI:spiffe://td/x`. A value with a comma, a quote or a control character is
 * written as a JSON string since CVE-2021-44532, so that a certificate cannot smuggle a second name into the first; a
 * parser that splits at commas would open that hole again.
 */

export interface SubjectAltNames {
  /** DNS names and URIs, in the order of the certificate. */
  readonly identities: readonly { readonly kind: 'dns' | 'uri'; readonly value: string }[]
}

const NONE: SubjectAltNames = { identities: [] }

/** `undefined` for text that Node does not write: such a certificate has no identity at all. */
export function parseSubjectAltNames(text: string | undefined): SubjectAltNames | undefined {
  if (text === undefined || text === '') return NONE
  const identities: { kind: 'dns' | 'uri'; value: string }[] = []
  let at = 0
  for (;;) {
    const colon = text.indexOf(':', at)
    if (colon === -1) return undefined
    const type = text.slice(at, colon)
    if (!/^[A-Za-z][A-Za-z ]*$/.test(type)) return undefined
    const end = valueEnd(text, colon + 1)
    if (end === undefined) return undefined
    const value = unquoted(text.slice(colon + 1, end))
    if (value === undefined) return undefined
    if (type === 'DNS') identities.push({ kind: 'dns', value })
    else if (type === 'URI') identities.push({ kind: 'uri', value })
    if (end === text.length) return { identities }
    if (!text.startsWith(', ', end)) return undefined
    at = end + 2
  }
}

/** The offset behind the value that begins at `start`: behind its closing quote, or at the next comma. */
function valueEnd(text: string, start: number): number | undefined {
  if (text[start] !== '"') {
    const comma = text.indexOf(',', start)
    return comma === -1 ? text.length : comma
  }
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === '"') return at + 1
  }
  return undefined
}

function unquoted(written: string): string | undefined {
  if (!written.startsWith('"')) return written.includes('"') ? undefined : written
  try {
    const value: unknown = JSON.parse(written)
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  }
}
