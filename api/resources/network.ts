/** Networks with exceptions, in the terms of NetworkAuthentication, ServerAuthorization and EgressNetwork. */
import { type Cidr, cidrContains, parseCidr } from '../ip.ts'
import { array, type Check, describe, fail, object, required, withDefault } from './check.ts'

export interface Network {
  /** CIDR or bare address. */
  readonly cidr: string
  readonly except: readonly string[]
}

const cidr: Check<string> = (value, path, report) =>
  typeof value === 'string' && parseCidr(value) !== undefined
    ? value
    : fail(report, path, `${describe(value)} is not a network such as 10.0.0.0/8, or an address`)

export const network: Check<Network> = object<Network>(
  { cidr: required(cidr), except: withDefault(array(cidr), () => []) },
  {
    unknown: 'refuse',
    also({ cidr, except }, path, report) {
      const whole = parseCidr(cidr)!
      for (const [index, text] of except.entries()) {
        const part = parseCidr(text)!
        if (contains(part, whole))
          report.problem([...path, 'except', index], `${text} leaves nothing of ${cidr}; remove the network instead`)
        else if (!contains(whole, part))
          report.problem([...path, 'except', index], `${text} is not inside ${cidr}; correct or remove it`)
      }
    },
  },
)

export const networks: Check<readonly Network[]> = array(network, {
  min: 1,
  minMessage: 'is empty, which would match nobody; name a network, 0.0.0.0/0 and ::/0 mean everywhere',
})

/** Whether every address of `inner` is one of `outer`. */
export function contains(outer: Cidr, inner: Cidr): boolean {
  return outer.prefixBits <= inner.prefixBits && cidrContains(outer, inner.base)
}
