import type { Config, TrainingConfig } from './schema'
import type { KeyPath, Problem } from './source'

interface Places {
  shown(path: KeyPath): string
  where(path: KeyPath): string | undefined
}

/**
 * What no schema of a single key can say: rules between keys.
 * @param written the config before defaults were filled in.
 */
export function checkConsistency(config: Config, written: unknown, { shown, where }: Places): Problem[] {
  const problems: Problem[] = []
  const report = (path: KeyPath, message: string): void => {
    problems.push({ code: 'PLUMB_CONFIG_INVALID', where: where(path), message })
  }
  const exactlyOneLength = (training: TrainingConfig, path: KeyPath): void => {
    if (training.steps === undefined && training.epochs === undefined) report(path, `${shown(path)} needs steps or epochs.`)
    if (training.steps !== undefined && training.epochs !== undefined) {
      report([...path, 'epochs'], `${shown(path)} has both steps and epochs; give one of them.`)
    }
  }
  exactlyOneLength(config.sft, ['sft'])
  const { sampler } = config.sample
  const isGiven = (typeof sampler === 'string' ? sampler : sampler.name) === 'dataset'
  if (config.label.name === 'dataset' && !isGiven) {
    report(['label'], 'label "dataset" knows the candidates of the data file only; it needs sample.sampler "dataset".')
  }
  const { sample = {} } = written as { readonly sample?: object }
  for (const key of Object.keys(sample)) {
    if (!isGiven || key === 'sampler') continue
    const path = ['sample', key]
    report(
      path,
      `${shown(path)} says how to sample, and the sampler "dataset" takes the candidates that the data file gives; leave it out.`,
    )
  }
  const seen = new Map<string, number>()
  config.align.forEach((variant, index) => {
    const path = ['align', index]
    exactlyOneLength(variant, path)
    const first = seen.get(variant.name)
    if (first !== undefined) {
      report(path, `${shown(path)} and ${shown(['align', first])} are both called "${variant.name}"; give one of them another name.`)
    }
    seen.set(variant.name, index)
  })
  const { control } = config.evaluate
  if (control !== undefined && !seen.has(control)) {
    report(['evaluate', 'control'], `evaluate.control must name a variant of align (${[...seen.keys()].join(', ')}), but is "${control}".`)
  }
  return problems
}
