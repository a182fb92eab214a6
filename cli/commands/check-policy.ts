/** `weft check-policy`: what the admission webhook would say, before a manifest goes anywhere. */
import { formatPath } from '../../api/resources/check.ts'
import { nameOf } from '../../api/resources/kinds.ts'
import { formatProblem, type Problem } from '../../api/resources/manifests.ts'
import { admit } from '../../control/policy/admission/admit.ts'
import { readManifests } from '../../control/resources/directory-source.ts'
import type { Command } from '../command.ts'

export const checkPolicy: Command = {
  name: 'check-policy',
  summary: 'Check policies, routes and authorizations as the admission webhook does',
  usage: 'check-policy [-n NAMESPACE] FILE|DIRECTORY…',
  options: {
    namespace: { type: 'string', short: 'n', default: 'default' },
    quiet: { type: 'boolean', short: 'q', default: false },
  },
  async run({ values, positionals, stdout, stderr }) {
    if (positionals.length === 0) {
      stderr.write('check-policy: name files or directories with manifests, for instance: weft check-policy k8s/\n')
      return 1
    }
    const manifests = readManifests(positionals, { namespace: String(values.namespace), skipUnknownKinds: true })
    const refused = manifests.objects.flatMap((object) =>
      admit(object).map(
        ({ path, message }): Problem => ({
          ...manifests.locate(object, path),
          object: nameOf(object),
          field: formatPath(path),
          message,
        }),
      ),
    )
    const problems = [...manifests.problems, ...refused]
    for (const problem of problems) stderr.write(`${formatProblem(problem)}\n`)
    if (values.quiet !== true) for (const note of manifests.notes) stderr.write(`note: ${formatProblem(note)}\n`)
    const count = manifests.objects.length
    if (problems.length === 0 && values.quiet !== true)
      stdout.write(`${count} object${count === 1 ? '' : 's'} checked\n`)
    return problems.length === 0 ? 0 : 1
  },
}
