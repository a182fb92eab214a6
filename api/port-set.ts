/**
 * Sets of ports as annotations and environment write them: `25,587,3000-3999`.
 *
 * Kept as ranges: a range over all ports is one entry, not 65,536.
 */
export interface PortRange {
  readonly first: number
  /** Inclusive. */
  readonly last: number
}

export type PortSet = readonly PortRange[]

/**
 * Parses a comma-separated list of ports and inclusive ranges; blanks and empty elements are ignored.
 *
 * @param portsOfName resolves what is not a number, such as a container-port name; without it names are wrong
 * @returns the set, and the elements that are no port, for the caller's one clear sentence
 */
export function parsePortSet(
  text: string,
  portsOfName: (name: string) => readonly number[] | undefined = () => undefined,
): { readonly ports: PortSet; readonly wrong: readonly string[] } {
  const ports: PortRange[] = []
  const wrong: string[] = []
  for (const element of text.split(',').map((part) => part.trim())) {
    if (element === '') continue
    const range = parseRange(element)
    const named = range === undefined ? portsOfName(element) : undefined
    if (range !== undefined) ports.push(range)
    else if (named !== undefined) ports.push(...portSetOf(named))
    else wrong.push(element)
  }
  return { ports, wrong }
}

export function portSetOf(ports: readonly number[]): PortSet {
  return ports.map((port) => ({ first: port, last: port }))
}

export function hasPort(set: PortSet, port: number): boolean {
  return set.some(({ first, last }) => first <= port && port <= last)
}

/** The text `parsePortSet` reads. */
export function formatPortSet(set: PortSet): string {
  return set.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(',')
}

function parseRange(text: string): PortRange | undefined {
  const [, from, to] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? []
  if (from === undefined) return undefined
  const first = Number(from)
  const last = to === undefined ? first : Number(to)
  return first >= 1 && first <= last && last <= 65_535 ? { first, last } : undefined
}
