import { UserError } from '../errors/user-error'
import validate from 'validate-npm-package-name'

/** What can be made. `reader` is a data format. */
export const TEMPLATES = ['loss', 'labeler', 'sampler', 'reader', 'backend'] as const

export type Template = (typeof TEMPLATES)[number]

/** @throws UserError PLUMB_CREATE_NAME with the rule that the name breaks. */
export function checkPackageName(name: string): void {
  const { validForNewPackages, errors = [], warnings = [] } = validate(name)
  if (validForNewPackages) return
  const [first = 'it is no name of an npm package'] = [...errors, ...warnings]
  throw new UserError(
    'PLUMB_CREATE_NAME',
    `npm refuses this name: ${first}. Expected one such as plumbline-plugin-margin or @me/margin.`,
    JSON.stringify(name),
  )
}

/**
 * What a configuration names the thing by: of `plumbline-plugin-margin` it is `margin`.
 * @throws UserError PLUMB_CREATE_NAME where that name means something already.
 */
export function strategyName(packageName: string, template: Template): string {
  const bare = packageName.replace(/^@[^/]*\//, '')
  const name = bare.replace(/^plumbline-/, '').replace(/^(plugin|loss|labeler|sampler|reader|backend)-(?=.)/, '')
  const reserved = (template === 'loss' && name === 'sft') || (template === 'backend' && name === 'auto')
  if (reserved || name === 'template-name')
    throw new UserError(
      'PLUMB_CREATE_NAME',
      `A ${template} cannot be called "${name}", which means something else in a configuration.`,
      JSON.stringify(packageName),
    )
  return name
}

/** The folder that the package gets when none is named. */
export function folderName(packageName: string): string {
  return packageName.replace(/^@[^/]*\//, '')
}
