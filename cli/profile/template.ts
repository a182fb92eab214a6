/** `weft profile --template`: a profile to fill in by hand, with a comment at everything that can be said. */
import { fullName, type ProfileTarget } from './profile.ts'

export function profileTemplate(target: ProfileTarget): string {
  return `# Routes of the service ${target.service} in namespace ${target.namespace}.
apiVersion: linkerd.io/v1alpha2
kind: ServiceProfile
metadata:
  name: ${fullName(target)}
  namespace: ${target.namespace}
spec:
  # The first route whose condition holds counts. A request that none of them matches is reported as [DEFAULT].
  routes:
  - name: '/authors/{id}'
    # All fields that are given have to hold. pathRegex matches the whole path; all, any and not combine conditions.
    condition:
      pathRegex: '/authors/\\d+'
      method: POST
    # Which answers are failures; without it, those of 500 and above, and gRPC's failing status codes.
    responseClasses:
    - condition:
        status:
          min: 500
          max: 599
      isFailure: true
    # A failed request may be sent again; only for requests that do no harm when they arrive twice.
    # isRetryable: true
    # How long a request may take, all tries together.
    # timeout: 300ms

  # How many requests may be retries: a share of the others, and a number per second that is always allowed.
  # retryBudget:
  #   retryRatio: 0.2
  #   minRetriesPerSecond: 10
  #   ttl: 10s
`
}
