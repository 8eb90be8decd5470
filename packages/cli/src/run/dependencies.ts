import {
  PlumbError,
  ReferenceLikelihood,
  renderPrompt,
  type Backend,
  type ResolvedConfig,
  type RunDependencies,
  type WeightedLoss,
} from '@plumbline/core'

/** What the stages need, taken from the resolved config and the chosen backend. */
export function dependenciesOf(resolved: ResolvedConfig, backend: Backend, codeVersion: string): RunDependencies {
  const { config, data, variants } = resolved
  return {
    backend,
    openOptions: resolved.backend.open,
    sampler: resolved.sampler,
    labeler: resolved.labeler,
    losses: (variant) =>
      variants
        .filter(({ name }) => name === variant.name)
        .flatMap(({ terms }) =>
          terms.map(({ name, loss, weight }): WeightedLoss => ({ name, loss: loss ?? new ReferenceLikelihood(), weight })),
        ),
    dataset: ({ path, format }) => {
      const sources = [data.train, data.questions, data.validation, data.test]
      const found = sources.find((source) => source?.path === path && source.settings.format === format)
      if (found === undefined)
        throw new PlumbError('PLUMB_UNKNOWN_FORMAT', `No data source of the config has the format "${format}".`, path)
      return found.reader
    },
    prompt: (record, tokenizer) => renderPrompt(record, config.prompt, tokenizer),
    codeVersion,
  }
}
