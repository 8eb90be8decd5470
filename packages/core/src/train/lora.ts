import { PlumbError } from '../errors'
import type { LinearModule, LoraPlan } from '../seams/policy'
import { suggestion } from '../util/suggest'
import { inRanges } from './freeze'

/**
 * The modules that a plan gives an adapter, in the order of the computation.
 *
 * @param modules all that can carry one.
 * @param where the key that holds the plan, for errors.
 * @throws PlumbError PLUMB_LORA_TARGET for a name that fits no module, PLUMB_LORA_RANK for a rank that a matrix cannot have.
 */
export function loraModules(
  { rank, targetModules }: Pick<LoraPlan, 'rank' | 'targetModules'>,
  modules: readonly LinearModule[],
  where?: string,
): readonly LinearModule[] {
  const chosen = targetModules === 'all-linear' ? modules : named(targetModules, modules, where)
  for (const { name, inFeatures, outFeatures } of chosen) {
    const most = Math.min(inFeatures, outFeatures)
    if (rank <= most) continue
    const message = `A rank of ${rank} is more than ${name} [${outFeatures}, ${inFeatures}] has; expected at most ${most}, or other targetModules.`
    throw new PlumbError('PLUMB_LORA_RANK', message, where)
  }
  return chosen
}

/** Whether a target names a module, as PEFT has it: by its whole name, or by the end of it from a dot on. */
export function isTarget(module: string, target: string): boolean {
  return module === target || module.endsWith(`.${target}`)
}

function named(targets: readonly string[], modules: readonly LinearModule[], where: string | undefined): readonly LinearModule[] {
  for (const target of targets) {
    if (modules.some(({ name }) => isTarget(name, target))) continue
    const last = [...new Set(modules.map(({ name }) => name.slice(name.lastIndexOf('.') + 1)))]
    const known = target.includes('.') ? inRanges(modules.map(({ name }) => name)) : last
    const message = `"${target}" is no linear layer of the model that can have an adapter. ${suggestion(target, known, 'There are')}`
    throw new PlumbError('PLUMB_LORA_TARGET', message, where)
  }
  return modules.filter(({ name }) => targets.some((target) => isTarget(name, target)))
}
