import { references } from './environment'
import type { AlignVariant, Config, LoraConfig, TrainingConfig } from './schema'
import type { KeyPath, Problem } from './source'
import { checkSources } from './sources'

/** The row of the stage-1 model in the report, and its name as the control. */
export const VFT = 'VFT'

/** Names that no variant can have, with what has them. */
const RESERVED: ReadonlyMap<string, string> = new Map([
  [VFT, 'it is the name of the stage-1 model in the report'],
  ['reference', 'it is the name of the reference log-probabilities in the run folder'],
  ['candidates', 'it is the name of the test candidates in the run folder'],
])

/** Where `${env:NAME}` is read: paths, and options of plugins. */
const READS_ENVIRONMENT: readonly (readonly string[])[] = [
  ['model'],
  ['run'],
  ['plugins', '*'],
  ['data', '*', '*'],
  ['label', '*'],
  ['backend', '*'],
  ['sample', 'sampler', '*'],
  ['align', '*', 'losses', '*', '*'],
  ['evaluate', 'label', '*'],
  ['reporters', '*', '*'],
]

/** Two neighbours in bfloat16 differ by at most this fraction: what shrinks by less may be rounded back to what it was, for ever. */
const BFLOAT16_STEP = 2 ** -7
const MOST_BETA2 = 0.992

interface Places {
  shown(path: KeyPath): string
  where(path: KeyPath): string | undefined
}

/**
 * What no schema of a single key can say: rules between keys.
 * @param config without the sections that are wrong by themselves.
 */
export function checkConsistency(config: Partial<Config>, { shown, where }: Places): Problem[] {
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
  if (config.data) problems.push(...checkSources(config.data, { shown, where }))
  const movingMoments = ({ moments, betas }: TrainingConfig, path: KeyPath): void => {
    if (moments !== 'bfloat16' || 1 - betas[1] >= BFLOAT16_STEP) return
    const message =
      `${shown([...path, 'moments'])} is bfloat16, in which a second moment cannot shrink by ${+(1 - betas[1]).toPrecision(3)} of itself a step; ` +
      `expected betas with a second number of at most ${MOST_BETA2}, e.g. [0.9, 0.95].`
    report([...path, 'moments'], message)
  }
  const oneWayToTrain = ({ freeze, lora }: TrainingConfig, path: KeyPath): void => {
    if (lora === undefined || freeze === undefined || freeze.length === 0) return
    report([...path, 'freeze'], `${shown(path)} has both freeze and lora; with lora every weight stays as it is, so leave freeze out.`)
  }
  if (config.sft) {
    exactlyOneLength(config.sft, ['sft'])
    movingMoments(config.sft, ['sft'])
    oneWayToTrain(config.sft, ['sft'])
  }
  for (const { path } of references(config)) {
    if (READS_ENVIRONMENT.some((pattern) => pattern.every((key, n) => key === '*' || key === String(path[n])))) continue
    report(path, `${shown(path)} cannot ask for the environment: \${env:…} is read in paths and in the options of plugins.`)
  }
  checkPrompt(config, shown, report)
  const seen = new Map<string, number>()
  config.align?.forEach((variant, index) => {
    const path = ['align', index]
    if (RESERVED.has(variant.name)) {
      report([...path, 'name'], `${shown([...path, 'name'])} must not be "${variant.name}": ${RESERVED.get(variant.name) ?? ''}.`)
    }
    exactlyOneLength(variant, path)
    movingMoments(variant, path)
    oneWayToTrain(variant, path)
    if (config.rounds !== undefined && config.rounds > 1 && variant.startFrom === 'base') {
      report(
        [...path, 'startFrom'],
        `${shown([...path, 'startFrom'])} is base, and with rounds: ${config.rounds} a variant goes on from its own model; leave one of the two out.`,
      )
    }
    const differing = otherAdapter(config.sft, variant)
    if (differing !== undefined) {
      report(
        [...path, 'lora', differing],
        `${shown([...path, 'lora'])} goes on with the adapter of sft, so its ${differing} must be that of sft.lora; ` +
          'change it there, or set startFrom: base.',
      )
    }
    const first = seen.get(variant.name)
    if (first !== undefined) {
      report(path, `${shown(path)} and ${shown(['align', first])} are both called "${variant.name}"; give one of them another name.`)
    }
    seen.set(variant.name, index)
  })
  const { control } = config.evaluate ?? {}
  if (config.align !== undefined && control !== undefined && control !== VFT && !seen.has(control)) {
    report(
      ['evaluate', 'control'],
      `evaluate.control must name a variant of align (${[...seen.keys()].join(', ')}) or be VFT, the stage-1 model, but is "${control}".`,
    )
  }
  return problems
}

/** Keys of `prompt` that could never do anything. */
function checkPrompt({ prompt }: Partial<Config>, shown: Places['shown'], report: (path: KeyPath, message: string) => void): void {
  if (prompt === undefined) return
  const { chat, system, chatTemplateKwargs, thinking } = prompt
  const given = [...(system === undefined ? [] : ['system']), ...(Object.keys(chatTemplateKwargs).length > 0 ? ['chatTemplateKwargs'] : [])]
  if (chat === false) {
    for (const key of given) {
      report(
        ['prompt', key],
        `${shown(['prompt', key])} is for the model's chat template, and with prompt.chat: false nothing goes through it.`,
      )
    }
  }
  if (Array.isArray(thinking) && (thinking[0].includes(thinking[1]) || thinking[1].includes(thinking[0]))) {
    report(['prompt', 'thinking'], `${shown(['prompt', 'thinking'])} needs two tags of which neither holds the other.`)
  }
}

/** The first key of a variant's `lora` in which it differs from the adapter of stage 1 that it starts from. */
function otherAdapter(sft: TrainingConfig | undefined, { lora, startFrom }: AlignVariant): keyof LoraConfig | undefined {
  if (lora === undefined || sft?.lora === undefined || sft.steps === 0 || startFrom !== 'sft') return undefined
  const { lora: before } = sft
  return (['rank', 'alpha', 'rslora', 'targetModules'] as const).find((key) => JSON.stringify(lora[key]) !== JSON.stringify(before[key]))
}
