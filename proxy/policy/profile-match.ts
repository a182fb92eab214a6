/** Finds the service-profile route of a request: the first in the list whose condition holds. */

import { matchesWhole } from '../../api/regex.ts'
import type { Profile, ProfileRoute, RequestCondition } from './profile.ts'

/**
 * `undefined` when none matches: the request is served without retries and timeout, and is counted without a route.
 *
 * @param path without the query
 */
export function findProfileRoute(profile: Profile, method: string, path: string): ProfileRoute | undefined {
  const { routes } = profile
  for (let at = 0; at < routes.length; at++) {
    const route = routes[at]!
    if (holds(route.condition, method, path)) return route
  }
  return undefined
}

/** Whether routes have to be looked up at all: without any, method and path need not be decoded. */
export function needsRequest({ routes }: Profile): boolean {
  return routes.length > 0
}

/** Whether a request meets the condition of a route. */
export function holds(condition: RequestCondition, method: string, path: string): boolean {
  switch (condition.kind) {
    case 'all': {
      const { of } = condition
      for (let at = 0; at < of.length; at++) if (!holds(of[at]!, method, path)) return false
      return true
    }
    case 'any': {
      const { of } = condition
      for (let at = 0; at < of.length; at++) if (holds(of[at]!, method, path)) return true
      return false
    }
    case 'not':
      return !holds(condition.of, method, path)
    case 'path':
      return matchesWhole(condition.pattern, path)
    case 'method':
      return condition.method === method
  }
}
