/**
 * The settings of a demo program: environment variables, as the manifests set them, each with a default.
 *
 * A value that cannot be used ends the program with one sentence: a demo that runs with half its settings
 * would only puzzle whoever watches it.
 */
export function text(name, fallback) {
  return process.env[name] ?? fallback
}

/** A number from `min` to `max`. */
export function number(name, fallback, min, max) {
  const value = process.env[name] === undefined ? fallback : Number(process.env[name])
  if (Number.isFinite(value) && value >= min && value <= max) return value
  return refuse(`${name}: "${process.env[name]}" is not a number from ${min} to ${max}`)
}

/** `host:port`, taken apart. */
export function hostPort(name, fallback) {
  const value = text(name, fallback)
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(value) ?? []
  if (host !== undefined && Number(port) <= 65_535) return { host, port: Number(port) }
  return refuse(`${name}: "${value}" is not an address such as cache:6379`)
}

function refuse(sentence) {
  process.stderr.write(`${sentence}\n`)
  process.exit(64)
}
